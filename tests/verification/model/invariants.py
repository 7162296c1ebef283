"""What must never be false, said about the store and the ledger and never about the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.protocol.clock import LEASE_MARGIN_MS
from cxone_idem.record import State as RecordState
from tests.verification.model.image import NAME_MARK
from tests.verification.model.process import Input, Request
from tests.verification.model.worlds import LEASE_MS, SECOND_MS

if TYPE_CHECKING:
    from cxone_idem.record import Record
    from tests.verification.model.moves import Moves
    from tests.verification.model.process import Event
    from tests.verification.model.state import Ledger, State, Worker
    from tests.verification.model.worlds import World

ONE_OWNER = "(a) a worker inside its promised lease is not the only owner"
DONE_ONCE = "(b) work was given out again after DONE, within the retention"
OWN_RECORD = "(c) a record was changed by a worker that does not own it"
NOTHING_LOST = "(d) a later delivery does not get the work"
UNRECORDED = "(b) a worker rests with its work done and its claim still open, so it is done again"
TRIED_OUT = "(f) a key was tried more often than is allowed"
OWN_WRITE = "(e) a worker was turned away by its own write"
EFFECT_ONCE = "(g) an effect was made again within the retention"
DROPPED = "(d) an event was dropped though nobody had done its work"

_DROPS = {"already done", "deleted"}
_REFUSALS = {"InProgressError", "ClaimLostError"}
# A claim takes one write, and one more for each that somebody moved on; here nobody else moves.
_WRITES_MAX = 6


def broken_by_owners(state: State) -> str:
    """Say what is wrong with who owns each key: what is stored must be the one owner's."""
    for worker in state.workers:
        for (record, *_), stake in zip(state.ledgers, worker.stakes, strict=True):
            if stake.until_ms > state.now_ms and _owner_of(record) != stake.delivery:
                done = record is not None and record.state is RecordState.DONE
                return DONE_ONCE if done else ONE_OWNER
    return ""


def is_retained(until_ms: int, state: State, world: World) -> bool:
    """Return whether it is too early to forget what was done."""
    # Dates are cut to seconds, and clocks may be slow.
    apart_ms = 0 if world.sends_date else max(world.clocks_ms) - min(world.clocks_ms)
    return state.now_ms < until_ms - SECOND_MS - world.step_ms - apart_ms


def broken_by_write(state: State, request: Request, after: Record | None, world: World) -> str:
    """Say what is wrong with a request that makes `after` of what is stored in `state`."""
    before, _, done_until_ms, _ = state.ledgers[request.key]
    if before is None or before == after:
        return ""
    still_done = after is not None and after.state is RecordState.DONE
    if before.state is RecordState.DONE and not still_done:
        if is_retained(done_until_ms, state, world):
            return DONE_ONCE
    elif _owner_of(before) == _owner_of(request.record):
        return ""
    elif _in_force(before, request.key, state, world):
        return OWN_RECORD
    if (
        after is None
        or after.state is not RecordState.IN_PROGRESS
        or after.generation != before.generation + 1
    ):  # it is no takeover
        return OWN_RECORD
    tried_out = 0 < world.max_attempts <= before.generation
    return TRIED_OUT if tried_out and state.now_ms < (before.expires_at or 0) * SECOND_MS else ""


def broken_by_news(state: State, worker: Worker, event: Event) -> str:
    """Say what is wrong with what a worker has just learned from the library."""
    if event.kind in _DROPS:
        return "" if state.ledgers[event.key].finished else DROPPED
    if event.kind not in _REFUSALS or not worker.answered:
        return ""
    mine = worker.stakes[event.key].delivery
    turned_away = any(
        answer is not None
        and answer.existing is not None
        and request.key == event.key
        and _owner_of(answer.existing) == mine
        for request, answer in zip(worker.node.requests, worker.answers, strict=True)
    )
    return OWN_WRITE if turned_away else ""


def broken_at_rest(state: State, worker: Worker) -> str:
    """Say what is wrong with what a worker leaves behind after a delivery."""
    if worker.node.stop != "rest":
        return ""
    for (record, finished, *_), stake in zip(state.ledgers, worker.stakes, strict=True):
        if record is None or stake.excused or _owner_of(record) != stake.delivery:
            continue
        if record.state is RecordState.IN_PROGRESS:
            return UNRECORDED if finished else OWN_WRITE
    return ""


def _owner_of(record: Record | None) -> str:
    return (record.origin.message_id or "") if record is not None else ""


def _in_force(before: Record, key: int, state: State, world: World) -> bool:
    """Return whether the lease of a stored record still runs, by the true time."""
    if before.state is not RecordState.IN_PROGRESS:
        return False
    if world.sends_date and before.lease_until_ms > state.now_ms:
        return True
    stakes = [worker.stakes[key] for worker in state.workers]
    owner = _owner_of(before)
    return any(one.delivery == owner and one.until_ms > state.now_ms for one in stakes)


class Recovery:
    """What a later delivery meets if all workers die right now: sent one lease later."""

    def __init__(self, moves: Moves) -> None:
        self._moves = moves
        self._known: dict[tuple[int, Ledger, int, int], str] = {}

    def __len__(self) -> int:
        """Return how many different ends were recovered from."""
        return len(self._known)

    def broken(self, state: State) -> str:
        """Say what is wrong with what such a delivery meets."""
        for key, ledger in enumerate(state.ledgers):
            known = (key, ledger, state.now_ms, state.slowest_ms)
            found = self._known.get(known)
            if found is None:
                found = self._known[known] = self._broken(*known)
            if found:
                return found
        return ""

    def _broken(self, key: int, ledger: Ledger, now_ms: int, slowest_ms: int) -> str:
        record, world = ledger.record, self._moves.world
        # A worker takes the store's clock to be ahead by its last round trip, and adds that once
        # more to a lease that it stamps again.
        fast_ms = max(0, *world.clocks_ms, world.step_ms)
        late_ms = fast_ms + 2 * slowest_ms + SECOND_MS
        met = self._meet(key, record, now_ms + LEASE_MS + LEASE_MARGIN_MS + late_ms)
        if met == "AttemptsExhaustedError" and record is not None:
            return "" if 0 < world.max_attempts <= record.generation else NOTHING_LOST
        if met not in {"claimed", *_DROPS}:
            return NOTHING_LOST
        if met in _DROPS and not ledger.finished:
            return DROPPED
        if record is None or record.state is not RecordState.DONE:
            return ""
        past_ms = max(now_ms, ledger.done_until_ms) + SECOND_MS + late_ms
        return "" if self._meet(key, record, past_ms) == "claimed" else NOTHING_LOST

    def _meet(self, key: int, stored: Record | None, now_ms: int) -> str:
        program = self._moves.program
        node = program.born
        given: object = ((key, f"{NAME_MARK}Z1"),)
        for number in range(_WRITES_MAX):
            fresh = f"{NAME_MARK}z{number}"
            node, events = program.step(node, Input(given, now_ms, fresh, now_ms))
            if node.stop != "store":
                return events[-1].kind
            stored, answer = self._moves.answer(stored, node.requests[0], now_ms)
            given = (answer,)
        return "no end"
