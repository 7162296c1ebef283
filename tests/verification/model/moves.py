"""All that can happen next in a state, within the budget."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem.record import State as RecordState
from tests.verification.model.consumer import Work
from tests.verification.model.process import Stop
from tests.verification.model.world import SECOND_MS, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxone_idem.record import Record
    from tests.verification.model.state import State, Worker


class Kind(Enum):
    """The kinds of moves."""

    DELIVER = "deliver"
    EXECUTE = "execute"
    ANSWER = "answer"
    RETRY = "retry"
    FAIL = "fail"
    GHOST = "ghost"
    WORK = "work"
    CRASH = "crash"
    WAIT = "wait"
    SWEEP = "sweep"
    STEP = "step"


class Move(NamedTuple):
    """One step of one participant."""

    kind: Kind
    worker: int = -1
    detail: Any = None


def moves(state: State, world: World) -> Iterator[Move]:
    """Yield the moves that can come next; all of them, or enough to meet all that can go wrong.

    Once time stands still for good, an answer that is on its way touches its own worker only, and
    so does whether a completion waits. So that worker goes first: whatever the others do before,
    they can as well do after, and a claim known earlier only exposes more.
    """
    if world.reduced and not state.left.waits and not state.left.steps:
        for number, worker in enumerate(state.workers):
            if worker.answered or worker.node.stop is Stop.LINE:
                yield from _of_worker(state, world, number)
                return
    for number in range(len(state.workers)):
        yield from _of_worker(state, world, number)
    for index in range(len(state.ghosts)):
        yield Move(Kind.GHOST, detail=index)
    if state.left.waits:
        for until_ms in sorted(_moments(state, world)):
            yield Move(Kind.WAIT, detail=until_ms)
    for key, ledger in enumerate(state.ledgers):
        if _expired(ledger.record, state.now_ms):
            yield Move(Kind.SWEEP, detail=key)


def _of_worker(state: State, world: World, number: int) -> Iterator[Move]:
    worker = state.workers[number]
    if worker.node.stop is Stop.REST:
        if state.left.deliveries:
            for batch in world.batches:
                yield Move(Kind.DELIVER, number, batch)
    elif worker.node.stop is Stop.HANDLER:
        yield from _work(state, number)
    elif worker.node.stop is Stop.LINE:
        yield Move(Kind.WORK, number, Work.COMMITS)
        yield Move(Kind.WORK, number, Work.QUEUES)
    else:
        yield from _request(state, number, worker)
    if state.left.crashes and worker.node.inputs:
        yield Move(Kind.CRASH, number)
    if state.left.steps:
        yield Move(Kind.STEP, number, world.step_ms)
        yield Move(Kind.STEP, number, -world.step_ms)


def _work(state: State, number: int) -> Iterator[Move]:
    yield Move(Kind.WORK, number, Work.RETURNS)
    if state.left.raises:
        yield Move(Kind.WORK, number, Work.RAISES)
    if state.left.extensions:
        yield Move(Kind.WORK, number, Work.EXTENDS)


def _request(state: State, number: int, worker: Worker) -> Iterator[Move]:
    waiting = [index for index, answer in enumerate(worker.answers) if answer is None]
    if not waiting:
        yield Move(Kind.ANSWER, number)
    for index in waiting:
        yield Move(Kind.EXECUTE, number, index)
    if state.left.losses and len(waiting) < len(worker.answers):
        yield Move(Kind.RETRY, number)
        yield Move(Kind.FAIL, number, "answer lost")
    elif state.left.losses:
        yield Move(Kind.FAIL, number, "request lost")
        yield Move(Kind.FAIL, number, "refused")
    if waiting and state.left.ghosts:
        yield Move(Kind.FAIL, number, "request delayed")
        if state.left.crashes:
            yield Move(Kind.CRASH, number, "request delayed")


def _moments(state: State, world: World) -> set[int]:
    """Return the moments worth waiting for.

    That is one that slows things down, and the first at which somebody may find the lease or the
    retention over: what is legal then was so soonest.
    """
    records = [ledger.record for ledger in state.ledgers if ledger.record is not None]
    if not records and all(worker.node.stop is Stop.REST for worker in state.workers):
        return set()
    ends_ms = {state.now_ms + world.slow_ms} if world.slow_ms else set()
    for record in records:
        if record.state is RecordState.IN_PROGRESS:
            ends_ms.add(_seen_at(record.lease_until_ms, world))
        elif record.state is RecordState.DONE and record.expires_at is not None:
            ends_ms.add(_seen_at(record.expires_at * SECOND_MS, world))
    return {end_ms for end_ms in ends_ms if end_ms > state.now_ms}


def _seen_at(end_ms: int, world: World) -> int:
    if world.tells_date:
        return -(-end_ms // SECOND_MS) * SECOND_MS
    return end_ms - max(world.clocks_ms)


def _expired(record: Record | None, now_ms: int) -> bool:
    return (
        record is not None
        and record.expires_at is not None
        and record.expires_at * SECOND_MS <= now_ms
    )
