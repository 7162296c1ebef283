"""Traces every second effect to its cause, or finds that it has none."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.campaign.delivery import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.campaign.ledger import Line


@dataclass
class Run:
    """One run of the handler on a key, as the ledger has it."""

    key: str
    worker: int
    started_at: float
    claimed_at: float
    lease_until: float | None
    """Until when nobody else may start; None if the consumer promises nothing."""
    effect_at: float | None = None
    raised: bool = False
    killed: str = ""
    settled_at: float | None = None
    """When the completion was answered, or, for a consumer that cannot tell, when the worker went
    on to something else: it had been tried by then."""
    tells_recorded: bool = False
    unrecorded_at: float | None = None
    recorded_late_at: float | None = None
    lost_at: float | None = None


@dataclass(frozen=True)
class Double:
    """A second effect on a key, and the cause; no cause means a broken promise."""

    first: Run
    second: Run
    cause: str | None


def runs(lines: Iterable[Line]) -> list[Run]:
    """Read the runs off the ledger."""
    found: list[Run] = []
    current: dict[int, Run] = {}
    by_worker: dict[int, dict[str, Run]] = defaultdict(dict)
    for line in lines:
        run = current.get(line.worker)
        if line.what == "start":
            _settle(run, line)
            until = line.fields["lease_until"]
            key = line.fields["key"]
            run = Run(key, line.worker, line.at, line.fields["claimed"], until)
            run.tells_recorded = line.fields.get("tells_recorded", False)
            current[line.worker] = by_worker[line.worker][key] = run
            found.append(run)
        elif line.what in {"log", "failed"}:
            about = by_worker[line.worker].get(key_of(line.fields["about"]))
            if about is None or about is not run:
                _settle(run, line)
            if about:
                _note(about, line)
        elif line.what in {"begin", "end"}:
            _settle(run, line)
        elif line.what == "recorded":
            by_worker[line.worker][line.fields["key"]].settled_at = line.at
        elif line.what == "kill":
            _kill(by_worker[line.worker].values(), line)
        elif run:
            _suffer(run, line)
    return found


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
        if not first.raised
        and first.lease_until is not None
        and second.claimed_at < first.lease_until
    ]


def _by_key(found: Iterable[Run]) -> list[list[Run]]:
    grouped = defaultdict(list)
    # By claim: a worker may be stopped between its claim and its start, and start after the next.
    for run in sorted(found, key=lambda run: run.claimed_at):
        grouped[run.key].append(run)
    return list(grouped.values())


def _cause(first: Run, second: Run) -> str | None:
    """Say why `second` could run although `first` made the effect; None if nothing explains it."""
    if first.lease_until is not None and second.claimed_at < first.lease_until:
        return None
    if first.recorded_late_at is not None and first.recorded_late_at < second.claimed_at:
        return None
    if first.unrecorded_at is not None and first.unrecorded_at < second.claimed_at:
        return "effect made, store failed every attempt to record it"
    if first.killed and first.settled_at is None:
        return f"killed {first.killed}, effect made and not recorded"
    if first.lease_until is not None and (first.lost_at or first.unrecorded_at):
        return "lease lapsed before the effect was recorded"
    return None


def _settle(run: Run | None, line: Line) -> None:
    if run and run.settled_at is None and not run.tells_recorded:
        run.settled_at = line.at


def _note(run: Run, line: Line) -> None:
    """Take in what was logged about a run's own completion."""
    text = line.fields["text"]
    if run.effect_at is None:
        return
    if line.what == "failed" or "is not recorded yet" in text:
        run.unrecorded_at = line.at
    elif "is recorded at last" in text:
        run.recorded_late_at = line.at
    elif "perhaps a second time" in text or "came too late" in text:
        run.lost_at = line.at


def _suffer(run: Run, line: Line) -> None:
    if line.what == "effect":
        run.effect_at = line.at
    elif line.what == "raise":
        run.raised = True


def _kill(of_the_worker: Iterable[Run], line: Line) -> None:
    """Mark what dies with the worker: completions may be on their way beside the newest run."""
    for run in of_the_worker:
        if run.settled_at is None and not run.raised:
            run.killed = line.fields["where"]
