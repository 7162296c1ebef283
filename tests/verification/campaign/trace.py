"""Traces every second effect to its cause, or finds that it has none."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.verification.campaign.runs import Run


@dataclass(frozen=True)
class Double:
    """A second effect on a key, and the cause; no cause means a broken promise."""

    first: Run
    second: Run
    cause: str | None


def doubles(found: Iterable[Run]) -> list[Double]:
    """Return every effect after a key's first, each with its cause."""
    return [
        Double(first, second, _cause(first, second))
        for key_runs in _by_key(run for run in found if run.effect_at is not None)
        for first, second in pairwise(key_runs)
    ]


def taken_early(found: Iterable[Run]) -> list[tuple[Run, Run]]:
    """Return the pairs in which a key was claimed anew while the lease before it still ran."""
    return [
        (first, second)
        for key_runs in _by_key(found)
        for first, second in pairwise(key_runs)
        if not first.raised and _is_in_the_lease(first, second) and not _had_gone(first, second)
    ]


def _by_key(found: Iterable[Run]) -> list[list[Run]]:
    grouped = defaultdict(list)
    # By claim: a worker may be stopped between its claim and its start, and start after the next.
    for run in sorted(found, key=lambda run: run.claimed_at):
        grouped[run.key].append(run)
    return list(grouped.values())


def _cause(first: Run, second: Run) -> str | None:
    """Say why `second` could run although `first` made the effect; None if nothing explains it."""
    if _had_gone(first, second):
        return "record deleted under its handler, run once more by another process"
    recorded = first.recorded_late_at is not None and first.recorded_late_at < second.claimed_at
    if recorded or _is_in_the_lease(first, second):
        return None
    if first.unrecorded_at is not None and first.unrecorded_at < second.claimed_at:
        return "effect made, store failed every attempt to record it"
    if first.killed and first.settled_at is None:
        return f"killed {first.killed}, effect made and not recorded"
    if first.lease_until is not None and (first.lost_at or first.unrecorded_at):
        return "lease lapsed before the effect was recorded"
    return None


def _is_in_the_lease(first: Run, second: Run) -> bool:
    return first.lease_until is not None and second.claimed_at < first.lease_until


def _had_gone(one: Run, other: Run) -> bool:
    """Tell whether one ran because the record of the other had been deleted.

    Only another process may: the one that did the work knows. Which of them claimed first says
    nothing, as a claim counts from its sending and may be carried out much later.
    """
    return one.pid != other.pid and any(
        gone.vanished_at is not None and gone.vanished_at < new.started_at
        for gone, new in ((one, other), (other, one))
    )
