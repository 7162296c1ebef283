"""Every decision of the claim protocol, as pure functions: no I/O and no clock of their own.

Two rules carry all of it. The clock decides takeover, the version decides writes. And a refused
write that finds its own version standing had landed: only its answer was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from cxone_idem.record import Origin, Record, State


class Verdict(Enum):
    """What a refused claim means."""

    OWNED = "our own write had landed, its answer was lost"
    DONE = "somebody completed the work"
    IN_PROGRESS = "somebody may be at work"
    TAKE_OVER = "nobody is at work: claim against the version seen"


@dataclass(frozen=True, slots=True)
class Stamp:
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


def judge_refused_claim(attempted: Record, seen: Record | None, store_time_ms: int) -> Verdict:
    """Say what to do after the write of `attempted` was refused because `seen` stands there.

    `store_time_ms` is the earliest time it can be by the store's clock, so that a lease is never
    judged over, nor a retention past, while either may still run.
    """
    if is_own(attempted, seen):
        return Verdict.OWNED
    if seen is None or seen.state is State.RELEASED:
        return Verdict.TAKE_OVER
    if seen.state is State.DONE:
        return Verdict.TAKE_OVER if is_past_retention(seen, store_time_ms) else Verdict.DONE
    return Verdict.IN_PROGRESS if seen.lease_until_ms > store_time_ms else Verdict.TAKE_OVER


def claimed(partition_key: str, seen: Record | None, stamp: Stamp, origin: Origin) -> Record:
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
        done_at_ms=stamp.now_ms,
        result=result,
    )


def released(held: Record, stamp: Stamp) -> Record:
    """Return `held` as free to claim. The item stays, and with it the attempts and the fence."""
    return replace(held, state=State.RELEASED, version=stamp.version, expires_at=stamp.expires_at)
