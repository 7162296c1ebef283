"""Carries out one move: the store, the processes and the clocks go on by one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem.record import State as RecordState
from tests.model import invariants
from tests.model.moves import Kind, Move
from tests.model.process import Event, Input, Request, Stop
from tests.model.state import Nodes, State, Worker, fresh_name
from tests.model.table import carry_out
from tests.model.world import LEASE_MS, RETENTION_MS, SECOND_MS, World

if TYPE_CHECKING:
    from cxone_idem.store import Answer

Outcome = tuple[State, str]
"""The next state, and the invariant that is broken or nothing."""

_OUTCOME_UNKNOWN = {"answer lost": True, "request lost": True, "request delayed": True}
_SETTLED = {Event("settled", "complete"), Event("settled", "release")}


class Scheduler:
    """The rules of one world."""

    def __init__(self, world: World, nodes: Nodes) -> None:
        self.world = world
        self.nodes = nodes
        self._last_events: tuple[Event, ...] = ()
        self._moves = {
            Kind.DELIVER: self._deliver,
            Kind.EXECUTE: self._execute,
            Kind.ANSWER: self._answer,
            Kind.RETRY: self._retry,
            Kind.FAIL: self._fail,
            Kind.GHOST: self._ghost,
            Kind.WORK: self._work,
            Kind.CRASH: self._crash,
            Kind.WAIT: self._wait,
            Kind.SWEEP: self._sweep,
            Kind.STEP: self._step,
        }

    def play(self, state: State, move: Move) -> Outcome:
        """Return what a move makes of a state."""
        after, broken = self._moves[move.kind](state, move)
        return after, broken or invariants.broken_by_owners(after)

    def answer(self, state: State, request: Request) -> tuple[Any, Answer]:
        """Return what stands after the store has carried out a request now, and its answer."""
        date_seconds = state.now_ms // SECOND_MS if self.world.tells_date else None
        return carry_out(state.record, request, date_seconds)

    def events(self, state: State, move: Move) -> tuple[Event, ...]:
        """Return what a worker does in a move, for those who tell of it."""
        self._last_events = ()
        self.play(state, move)
        return self._last_events

    def _deliver(self, state: State, move: Move) -> Outcome:
        delivery = fresh_name("d", state.live_names())
        worker = state.workers[move.worker]._replace(delivery=delivery, until_ms=0)
        state = state.spend("deliveries").with_worker(move.worker, worker)
        return self._tell(state, move.worker, delivery)

    def _execute(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]
        assert worker.node.request is not None
        after, answer, broken = self._carry_out(state, worker.node.request, worker.sent_ms)
        return after.with_worker(move.worker, worker._replace(answer=answer)), broken

    def _answer(self, state: State, move: Move) -> Outcome:
        return self._tell(state, move.worker, state.workers[move.worker].answer)

    def _retry(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]._replace(answer=None)
        return state.spend("losses").with_worker(move.worker, worker), ""

    def _fail(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]
        state = self._spend_loss(state, move)
        state = state.with_worker(move.worker, worker._replace(answer=None, excused=True))
        return self._tell(state, move.worker, _OUTCOME_UNKNOWN.get(move.detail, False))

    def _ghost(self, state: State, move: Move) -> Outcome:
        sent_ms, request = state.ghosts[move.detail]
        ghosts = state.ghosts[: move.detail] + state.ghosts[move.detail + 1 :]
        after, _, broken = self._carry_out(state._replace(ghosts=ghosts), request, sent_ms)
        return after, broken

    def _work(self, state: State, move: Move) -> Outcome:
        names = {"RAISES": "raises", "EXTENDS": "extensions"}
        if move.detail.name in names:
            state = state.spend(names[move.detail.name])
        return self._tell(state, move.worker, move.detail)

    def _crash(self, state: State, move: Move) -> Outcome:
        if move.detail is not None:
            state = self._spend_loss(state, move)
        born = Worker(self.nodes.born, state.workers[move.worker].clock_ms, excused=True)
        return state.spend("crashes").with_worker(move.worker, born), ""

    def _wait(self, state: State, move: Move) -> Outcome:
        return state.spend("waits")._replace(now_ms=move.detail), ""

    def _sweep(self, state: State, move: Move) -> Outcome:  # noqa: ARG002 -- by contract
        broken = invariants.broken_by_sweep(state, self.world)
        return state._replace(record=None, done_until_ms=0), broken

    def _step(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]
        worker = worker._replace(clock_ms=worker.clock_ms + move.detail)
        return state.spend("steps").with_worker(move.worker, worker), ""

    def _spend_loss(self, state: State, move: Move) -> State:
        if move.detail != "request delayed":
            return state.spend("losses")
        worker = state.workers[move.worker]
        assert worker.node.request is not None
        ghosts = (*state.ghosts, (worker.sent_ms, worker.node.request))
        return state.spend("ghosts")._replace(ghosts=ghosts)

    def _carry_out(self, state: State, request: Request, sent_ms: int) -> tuple[State, Answer, str]:
        record, answer = self.answer(state, request)
        broken = invariants.broken_by_write(state, request, record, self.world)
        if record is not state.record:
            done = record is not None and record.state is RecordState.DONE
            # Retention counts from `complete`, whenever its write arrived.
            state = state._replace(done_until_ms=sent_ms + RETENTION_MS if done else 0)
        return state._replace(record=record), answer, broken

    def _tell(self, state: State, number: int, told: object) -> Outcome:
        before = state.workers[number]
        if before.node.stop is Stop.STORE:
            state = state._replace(slowest_ms=max(state.slowest_ms, state.now_ms - before.sent_ms))
        fresh = fresh_name("v", state.live_names())
        clock_ms = state.now_ms + before.clock_ms
        node, events = self.nodes.step(before.node, Input(told, clock_ms, fresh))
        self._last_events = events
        broken = ""
        worker = before
        for event in events:
            state = state._replace(finished=state.finished or event.kind == "returned")
            broken = broken or invariants.broken_by_news(state, number, event.kind)
            worker = _after_event(worker, event)
        sent_ms = state.now_ms if node.stop is Stop.STORE else 0
        worker = worker._replace(node=node, answer=None, sent_ms=sent_ms)
        broken = broken or invariants.broken_at_rest(state.record, worker)
        return state.with_worker(number, worker), broken


def _after_event(worker: Worker, event: Event) -> Worker:
    """Return what is promised to a worker after something it did."""
    if event.kind == "claimed" or event == Event("settled", "extend"):
        return worker._replace(until_ms=worker.sent_ms + LEASE_MS, excused=False)
    # After `raised` it has given the key up; after a completion it is the record that speaks. A
    # completion that the store did not take leaves the lease as it was.
    given_up = event.kind in {"raised", "lost", "kept"} or event in _SETTLED
    return worker._replace(until_ms=0) if given_up else worker
