"""What must never be false, said about the store and the ledger and never about the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.record import State as RecordState
from tests.verification.model.process import Stop
from tests.verification.model.world import SECOND_MS, key_of

if TYPE_CHECKING:
    from cxone_idem.record import Record
    from tests.verification.model.process import Event, Request
    from tests.verification.model.state import State, Worker
    from tests.verification.model.world import World

ONE_OWNER = "(a) a worker inside its promised lease is not the only owner"
DONE_ONCE = "(b) work was given out again after DONE, within the retention"
OWN_RECORD = "(c) a record was changed by a worker that does not own it"
NOTHING_LOST = "(d) a later delivery does not get the work"
UNRECORDED = "(b) a worker rests with its work done and its claim still open, so it is done again"
TRIED_OUT = "(f) a key was tried more often than is allowed"
OWN_WRITE = "(e) a worker was turned away by its own write"
EFFECT_ONCE = "(g) an effect was made again within the retention"
DROPPED = "(d) an event was dropped though nobody had done its work"


def owner_of(record: Record | None) -> str:
    """Return whose delivery a record stands for."""
    return (record.origin.message_id or "") if record is not None else ""


def broken_by_owners(state: State) -> str:
    """Say what is wrong with who owns each key: what stands must be the one owner's."""
    for worker in state.workers:
        for (record, *_), stake in zip(state.ledgers, worker.stakes, strict=True):
            if stake.until_ms > state.now_ms and owner_of(record) != stake.delivery:
                done = record is not None and record.state is RecordState.DONE
                return DONE_ONCE if done else ONE_OWNER
    return ""


def broken_by_write(state: State, request: Request, after: Record | None, world: World) -> str:
    """Say what is wrong with a request that makes `after` of what stands in `state`."""
    key = key_of(request.record)
    before, _, done_until_ms, _ = state.ledgers[key]
    if before is None or before == after:
        return ""
    if before.state is RecordState.DONE and not _still_done(after):
        if state.now_ms < done_until_ms - world.retention_slack_ms:
            return DONE_ONCE
    elif owner_of(before) == owner_of(request.record):
        return ""
    elif _in_force(before, state, world):
        return OWN_RECORD
    if not _is_takeover(before, after):
        return OWN_RECORD
    return TRIED_OUT if _tried_out(before, state.now_ms, world) else ""


def broken_by_effect(state: State, key: int, world: World) -> str:
    """Say what is wrong with an effect that is made now. No window is exempted."""
    early = state.now_ms < state.ledgers[key].effect_until_ms - world.retention_slack_ms
    return EFFECT_ONCE if early else ""


def broken_by_sweep(state: State, key: int, world: World) -> str:
    """Say what is wrong with TTL deleting what stands now."""
    early = state.now_ms < state.ledgers[key].done_until_ms - world.retention_slack_ms
    return DONE_ONCE if early else ""


def broken_by_news(state: State, number: int, event: Event) -> str:
    """Say what is wrong with what a worker has just been told by the library."""
    worker = state.workers[number]
    if event.kind in {"already done", "deleted"}:
        return "" if state.ledgers[event.key].finished else DROPPED
    if event.kind not in {"in progress", "lost"} or not worker.answered:
        return ""
    mine = worker.stakes[event.key].delivery
    turned_away = any(
        answer is not None
        and answer.existing is not None
        and key_of(request.record) == event.key
        and owner_of(answer.existing) == mine
        for request, answer in zip(worker.node.requests, worker.answers, strict=True)
    )
    return OWN_WRITE if turned_away else ""


def broken_at_rest(state: State, worker: Worker) -> str:
    """Say what is wrong with what a worker leaves behind after a delivery."""
    if worker.node.stop is not Stop.REST:
        return ""
    for (record, finished, *_), stake in zip(state.ledgers, worker.stakes, strict=True):
        if record is None or stake.excused or owner_of(record) != stake.delivery:
            continue
        if record.state is RecordState.IN_PROGRESS:
            return UNRECORDED if finished else OWN_WRITE
    return ""


def _still_done(after: Record | None) -> bool:
    return after is not None and after.state is RecordState.DONE


def _is_takeover(before: Record, after: Record | None) -> bool:
    return (
        after is not None
        and after.state is RecordState.IN_PROGRESS
        and after.generation == before.generation + 1
    )


def _tried_out(before: Record, now_ms: int, world: World) -> bool:
    """Tell whether the attempts that are allowed are used up, within the retention."""
    past_ms = (before.expires_at or 0) * SECOND_MS
    return 0 < world.max_attempts <= before.generation and now_ms < past_ms


def _in_force(before: Record, state: State, world: World) -> bool:
    """Tell whether the lease that stands still runs, by the true time."""
    if before.state is not RecordState.IN_PROGRESS:
        return False
    if world.tells_date and before.lease_until_ms > state.now_ms:
        return True
    key = key_of(before)
    return any(
        worker.stakes[key].delivery == owner_of(before)
        and worker.stakes[key].until_ms > state.now_ms
        for worker in state.workers
    )
