"""Decisions of the claim protocol, and the records that each verb writes.

Two rules carry all of it. The clock decides takeover, the version decides writes. And a write that
is refused by its own version was carried out: only its answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from cxone_idem.record import Origin, Record, State

Change = Callable[["Record", "Stamp"], "Record"]
"""A change of a held record: its completion, its release, a longer lease."""


class Decision(Enum):
    """Meaning of a refused claim."""

    OWNED = "our own write was carried out, its answer was lost"
    DONE = "the work is done"
    IN_PROGRESS = "another worker may be at work"
    FINGERPRINT_MISMATCH = "the key is taken by an event of other content: fail, never drop"
    TAKE_OVER = "nobody is at work: claim against the existing version"
    EXHAUSTED = "nobody is at work, and no attempt is left"


class Stamp(NamedTuple):
    """The part that every write carries: a fresh version and its times."""

    version: str
    now_ms: int
    lease_until_ms: int
    expires_at: int


def is_own(attempted: Record, existing: Record | None) -> bool:
    """Return whether a write that `existing` refused was carried out: only its answer was lost."""
    return existing is not None and existing.version == attempted.version


def is_past_retention(done: Record, store_time_ms: int) -> bool:
    """Return whether a completed record counts as absent, deleted by TTL or not."""
    return done.expires_at is not None and done.expires_at * 1000 <= store_time_ms


def is_lease_over(held: Record, store_time_ms: int) -> bool:
    """Return whether the lease of a record in progress has ended."""
    return held.lease_until_ms <= store_time_ms


def has_other_fingerprint(fingerprint: str | None, existing: Record) -> bool:
    """Return whether a record surely belongs to another event than the one with `fingerprint`.

    A missing fingerprint, on either side, agrees with anything: older records have none.
    """
    return None not in {fingerprint, existing.fingerprint} and fingerprint != existing.fingerprint


def decide_refused_claim(
    attempted: Record, existing: Record | None, store_time_ms: int, max_attempts: int = 0
) -> Decision:
    """Return what to do after `existing` refused the write of `attempted`.

    `store_time_ms` is the earliest time it can be by the store's clock. So a lease never counts as
    over, nor a retention as past, while either may still run. With `max_attempts`, a key that was
    tried that often without a completion is not taken over within its retention.
    """
    if is_own(attempted, existing):
        return Decision.OWNED
    if existing is None or is_past_retention(existing, store_time_ms):
        return Decision.TAKE_OVER
    at_work = existing.state is State.IN_PROGRESS and not is_lease_over(existing, store_time_ms)
    if at_work or existing.state is State.DONE:
        if has_other_fingerprint(attempted.fingerprint, existing):
            return Decision.FINGERPRINT_MISMATCH
        return Decision.IN_PROGRESS if at_work else Decision.DONE
    # A completion ends the count: who frees a key that was done wants it done once more.
    was_done = existing.done_at_ms is not None
    exhausted = 0 < max_attempts <= existing.generation and not was_done
    return Decision.EXHAUSTED if exhausted else Decision.TAKE_OVER


def claimed(
    partition_key: str,
    existing: Record | None,
    stamp: Stamp,
    origin: Origin,
    fingerprint: str | None = None,
) -> Record:
    """Return the record that a claim writes: over `existing` it is the next generation."""
    return Record(
        partition_key=partition_key,
        state=State.IN_PROGRESS,
        version=stamp.version,
        generation=existing.generation + 1 if existing else 1,
        lease_until_ms=stamp.lease_until_ms,
        expires_at=stamp.expires_at,
        claimed_at_ms=stamp.now_ms,
        origin=origin,
        fingerprint=fingerprint,
    )


def extended(held: Record, stamp: Stamp) -> Record:
    """Return `held` with a later end of its lease. A lease is never shortened."""
    return replace(
        held,
        version=stamp.version,
        lease_until_ms=max(held.lease_until_ms, stamp.lease_until_ms),
        expires_at=stamp.expires_at,
    )


def completed(held: Record, stamp: Stamp, result: str | None = None) -> Record:
    """Return `held` as done, with its result if there is one; its retention counts from now."""
    return replace(
        held,
        state=State.DONE,
        version=stamp.version,
        expires_at=stamp.expires_at,
        # The estimate of the store's time moves by up to a second with each answer.
        done_at_ms=max(stamp.now_ms, held.claimed_at_ms or 0),
        result=result,
    )


def released(held: Record, stamp: Stamp) -> Record:
    """Return `held` as free to claim. The item stays, and with it the attempts and the fence."""
    return replace(held, state=State.RELEASED, version=stamp.version, expires_at=stamp.expires_at)


def released_unstarted(held: Record, stamp: Stamp) -> Record:
    """Return `held` as free to claim, its work never started: that was no attempt.

    Nobody saw this generation, so the next claim may have it: as a fence it is still fresh.
    """
    return replace(released(held, stamp), generation=held.generation - 1)
