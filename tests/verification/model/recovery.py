"""What a later delivery meets if all workers die right now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.protocol.clock import LEASE_MARGIN_MS
from cxone_idem.record import State as RecordState
from tests.verification.model.invariants import DROPPED, NOTHING_LOST
from tests.verification.model.process import Input, Stop
from tests.verification.model.program_state import NAME_MARK
from tests.verification.model.world import LEASE_MS, SECOND_MS

if TYPE_CHECKING:
    from typing import Any

    from tests.verification.model.scheduler import Scheduler
    from tests.verification.model.state import State

# A claim takes one write, and one more for each that somebody moved on; here nobody else moves.
_WRITES_MAX = 6
_DROPS = {"already done", "deleted"}


class Recovery:
    """Sends a delivery to a fresh worker, one lease after everybody died."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._known: dict[Any, str] = {}

    def __len__(self) -> int:
        """Return how many different ends were recovered from."""
        return len(self._known)

    def broken(self, state: State) -> str:
        """Say what is wrong with what such a delivery meets."""
        for key, ledger in enumerate(state.ledgers):
            known = (key, ledger, state.now_ms, state.slowest_ms)
            found = self._known.get(known)
            if found is None:
                found = self._known[known] = self._broken(state, key)
            if found:
                return found
        return ""

    def _broken(self, state: State, key: int) -> str:
        record, finished, done_until_ms, _ = state.ledgers[key]
        # A worker takes the store's clock to be ahead by its last round trip, and adds that once
        # more to a lease that it stamps again.
        late_ms = self._scheduler.world.fast_ms + 2 * state.slowest_ms + SECOND_MS
        met = self._meet(state, key, state.now_ms + LEASE_MS + LEASE_MARGIN_MS + late_ms)
        limit = self._scheduler.world.max_attempts
        if met == "exhausted" and record is not None and 0 < limit <= record.generation:
            return ""
        if met not in {"claimed", *_DROPS}:
            return NOTHING_LOST
        if met in _DROPS and not finished:
            return DROPPED
        if record is None or record.state is not RecordState.DONE:
            return ""
        past_ms = max(state.now_ms, done_until_ms) + SECOND_MS + late_ms
        return "" if self._meet(state, key, past_ms) == "claimed" else NOTHING_LOST

    def _meet(self, state: State, key: int, now_ms: int) -> str:
        nodes = self._scheduler.nodes
        told: object = ((key, f"{NAME_MARK}Z1"),)
        node = nodes.born
        state = state._replace(now_ms=now_ms)
        for number in range(_WRITES_MAX):
            node, events = nodes.step(node, Input(told, now_ms, f"{NAME_MARK}z{number}", now_ms))
            if node.stop is not Stop.STORE:
                return events[-1].kind
            (request,) = node.requests
            record, answer = self._scheduler.answer(state, request)
            told = (answer,)
            state = state.with_ledger(key, record=record)
        return "no end"
