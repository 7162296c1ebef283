"""Carries out one move: the store, the processes and the clocks go on by one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem.record import State as RecordState
from tests.verification.model import invariants
from tests.verification.model.moves import Kind, Move
from tests.verification.model.process import MAKES_THE_EFFECT, Input, Stop
from tests.verification.model.state import Nodes, Stake, State, Worker, fresh_name
from tests.verification.model.table import carry_out
from tests.verification.model.world import LEASE_MS, RETENTION_MS, SECOND_MS, World, key_of

if TYPE_CHECKING:
    from cxone_idem.protocol.store import PutResult
    from tests.verification.model.process import Event, Messages, Request

Outcome = tuple[State, str]
"""The next state, and the invariant that is broken or nothing."""

_OUTCOME_UNKNOWN = {"answer lost": True, "request lost": True, "request delayed": True}
_SETTLED = {"complete", "release"}
# `freshen` lets no handler start with less of its lease left, unless the answer was slow to come.
_FRESH_MS = LEASE_MS * 9 // 10


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

    def answer(self, state: State, request: Request) -> tuple[Any, PutResult]:
        """Return what stands after the store has carried out a request now, and its answer."""
        date_seconds = state.now_ms // SECOND_MS if self.world.tells_date else None
        return carry_out(state.ledgers[key_of(request.record)].record, request, date_seconds)

    def events(self, state: State, move: Move) -> tuple[Event, ...]:
        """Return what a worker does in a move, for those who tell of it."""
        self._last_events = ()
        self.play(state, move)
        return self._last_events

    def _deliver(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]
        live = state.live_names()
        messages: Messages = ()
        for key in move.detail:
            delivery = fresh_name("d", live)
            live.add(delivery)
            messages += ((key, delivery),)
            worker = worker.with_stake(key, delivery=delivery, until_ms=0)
        state = state.spend("deliveries").with_worker(move.worker, worker)
        return self._tell(state, move.worker, messages)

    def _execute(self, state: State, move: Move) -> Outcome:
        worker, index = state.workers[move.worker], move.detail
        request = worker.node.requests[index]
        after, answer, broken = self._carry_out(state, request, worker.sent_ms)
        answers = (*worker.answers[:index], answer, *worker.answers[index + 1 :])
        return after.with_worker(move.worker, worker._replace(answers=answers)), broken

    def _answer(self, state: State, move: Move) -> Outcome:
        return self._tell(state, move.worker, state.workers[move.worker].answers)

    def _retry(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]
        worker = worker._replace(answers=(None,) * len(worker.answers), retried=True)
        return state.spend("losses").with_worker(move.worker, worker), ""

    def _fail(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]
        state = self._spend_loss(state, move)
        # The answer never comes, whatever the store has carried out.
        worker = worker._replace(answers=())
        for request in worker.node.requests:
            worker = worker.with_stake(key_of(request.record), excused=True)
        state = state.with_worker(move.worker, worker)
        # A refusal says nothing of the attempts before it.
        return self._tell(state, move.worker, _OUTCOME_UNKNOWN.get(move.detail, worker.retried))

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
        stakes = (Stake(excused=True),) * self.world.keys
        born = Worker(self.nodes.born, state.workers[move.worker].clock_ms, stakes)
        return state.spend("crashes").with_worker(move.worker, born), ""

    def _wait(self, state: State, move: Move) -> Outcome:
        return state.spend("waits")._replace(now_ms=move.detail), ""

    def _sweep(self, state: State, move: Move) -> Outcome:
        broken = invariants.broken_by_sweep(state, move.detail, self.world)
        return state.with_ledger(move.detail, record=None, done_until_ms=0), broken

    def _step(self, state: State, move: Move) -> Outcome:
        worker = state.workers[move.worker]
        worker = worker._replace(clock_ms=worker.clock_ms + move.detail)
        return state.spend("steps").with_worker(move.worker, worker), ""

    def _spend_loss(self, state: State, move: Move) -> State:
        if move.detail != "request delayed":
            return state.spend("losses")
        worker = state.workers[move.worker]
        late = tuple(
            (worker.sent_ms, request)
            for request, answer in zip(worker.node.requests, worker.answers, strict=True)
            if answer is None
        )
        return state.spend("ghosts")._replace(ghosts=state.ghosts + late)

    def _carry_out(
        self, state: State, request: Request, sent_ms: int
    ) -> tuple[State, PutResult, str]:
        record, answer = self.answer(state, request)
        broken = invariants.broken_by_write(state, request, record, self.world)
        key = key_of(request.record)
        if record is not state.ledgers[key].record:
            done = record is not None and record.state is RecordState.DONE
            # Retention counts from `complete`, whenever its write arrived.
            done_until_ms = sent_ms + RETENTION_MS if done else 0
            state = state.with_ledger(key, record=record, done_until_ms=done_until_ms)
        if answer.written and request.verb in MAKES_THE_EFFECT:
            broken = invariants.broken_by_effect(state, key, self.world) or broken
            until_ms = sent_ms + RETENTION_MS
            state = state.with_ledger(key, finished=True, effect_until_ms=until_ms)
        return state, answer, broken

    def _tell(self, state: State, number: int, told: object) -> Outcome:
        before = state.workers[number]
        if before.node.stop is Stop.STORE:
            state = state._replace(slowest_ms=max(state.slowest_ms, state.now_ms - before.sent_ms))
        fresh = fresh_name("v", state.live_names())
        clock_ms = state.now_ms + before.clock_ms
        node, events = self.nodes.step(before.node, Input(told, clock_ms, fresh, state.now_ms))
        self._last_events = events
        broken = ""
        worker = before
        for event in events:
            if event.kind == "returned":
                state = state.with_ledger(event.key, finished=True)
            broken = broken or invariants.broken_by_news(state, number, event)
            worker = _after_event(worker, event, state.now_ms)
        sent_ms = state.now_ms if node.stop is Stop.STORE else 0
        answers = (None,) * len(node.requests)
        worker = worker._replace(node=node, answers=answers, sent_ms=sent_ms, retried=False)
        broken = broken or invariants.broken_at_rest(state, worker)
        return state.with_worker(number, worker), broken


def _after_event(worker: Worker, event: Event, now_ms: int) -> Worker:
    """Return what is promised to a worker after something it did."""
    if event.kind == "claimed" or event[:2] == ("settled", "extend"):
        asked = (key_of(request.record) for request in worker.node.requests)
        until_ms = worker.sent_ms + LEASE_MS if event.key in asked else now_ms + _FRESH_MS
        return worker.with_stake(event.key, until_ms=until_ms, excused=False)
    # After `raised` it has given the key up; after a completion it is the record that speaks. A
    # completion that the store did not take leaves the lease as it was.
    settled = event.kind == "settled" and event.detail in _SETTLED
    given_up = event.kind in {"raised", "lost", "kept"} or settled
    return worker.with_stake(event.key, until_ms=0) if given_up else worker
