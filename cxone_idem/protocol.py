"""Every decision of the claim protocol, as pure functions: no I/O and no clock of their own.

Two rules carry all of it. The clock decides takeover, the version decides writes. And a refused
write that finds its own version standing had landed: only its answer was lost.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from cxone_idem.record import Origin, Record, State


class Verdict(Enum):
    """What a refused claim means."""

    OWNED = "our own write had landed, its answer was lost"
    DONE = "somebody completed the work"
    IN_PROGRESS = "somebody may be at work"
    OTHER_CONTENT = "what is done or at work under this key is another event: tell, never drop"
    TAKE_OVER = "nobody is at work: claim against the version seen"
    EXHAUSTED = "nobody is at work, and it was tried as often as is allowed"


class Stamp(NamedTuple):
    """What every write carries: a fresh version and the times it vouches for."""

    version: str
    now_ms: int
    lease_until_ms: int
    expires_at: int


def is_own(attempted: Record, seen: Record | None) -> bool:
    """Tell whether a write that was refused by `seen` had landed: its answer alone was lost."""
    return seen is not None and seen.version == attempted.version


def is_past_retention(done: Record, store_time_ms: int) -> bool:
    """Tell whether a completed record counts as absent, deleted by TTL or not."""
    return done.expires_at is not None and done.expires_at * 1000 <= store_time_ms


def is_lease_over(held: Record, store_time_ms: int) -> bool:
    """Tell whether the owner of a record in progress has had its time."""
    return held.lease_until_ms <= store_time_ms


def is_other_content(fingerprint: str | None, seen: Record) -> bool:
    """Tell whether a record is surely of another event than the one with `fingerprint`.

    A side without a fingerprint agrees with anything: records from before there were any.
    """
    return None not in {fingerprint, seen.fingerprint} and fingerprint != seen.fingerprint


def judge_refused_claim(
    attempted: Record, seen: Record | None, store_time_ms: int, max_attempts: int = 0
) -> Verdict:
    """Say what to do after the write of `attempted` was refused because `seen` stands there.

    `store_time_ms` is the earliest time it can be by the store's clock, so that a lease is never
    judged over, nor a retention past, while either may still run. With `max_attempts` a key that
    was tried that often without being completed is not taken over within its retention.
    """
    if is_own(attempted, seen):
        return Verdict.OWNED
    if seen is None or is_past_retention(seen, store_time_ms):
        return Verdict.TAKE_OVER
    at_work = seen.state is State.IN_PROGRESS and not is_lease_over(seen, store_time_ms)
    if at_work or seen.state is State.DONE:
        if is_other_content(attempted.fingerprint, seen):
            return Verdict.OTHER_CONTENT
        return Verdict.IN_PROGRESS if at_work else Verdict.DONE
    # A completion ends the count: whoever frees a key that was done has it done once more.
    forgotten = seen.done_at_ms is not None
    tried_out = 0 < max_attempts <= seen.generation and not forgotten
    return Verdict.EXHAUSTED if tried_out else Verdict.TAKE_OVER


def claimed(
    partition_key: str,
    seen: Record | None,
    stamp: Stamp,
    origin: Origin,
    fingerprint: str | None = None,
) -> Record:
    """Return the record a claim writes: over `seen` it is the next generation."""
    return Record(
        partition_key=partition_key,
        state=State.IN_PROGRESS,
        version=stamp.version,
        generation=seen.generation + 1 if seen else 1,
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
    """Return `held` as done, with its result if it is to be kept; its retention counts from now."""
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


def returned(held: Record, stamp: Stamp) -> Record:
    """Return `held` as free to claim, its work never begun: that was no attempt.

    Nobody was shown the generation, so the next claim may have it: as a fence it is still fresh.
    """
    return replace(released(held, stamp), generation=held.generation - 1)
