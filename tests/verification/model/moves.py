"""All that can happen next in a state, within the budget, and what it makes of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cxone_idem.protocol.store import PutResult
from cxone_idem.record import Record
from cxone_idem.record import State as RecordState
from tests.verification.model import invariants
from tests.verification.model.process import KEYS, Event, Input, Messages, Request
from tests.verification.model.state import Stake, State, Worker, fresh_name
from tests.verification.model.worlds import LEASE_MS, RETENTION_MS, SECOND_MS, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.verification.model.process import Program

_ON_A_CONDITION = {"put if", "transact if", "if lapsed"}
_MAKES_THE_EFFECT = {"transact if", "transact", "effect"}
# `renew_if_stale` lets no handler start with less of its lease left, unless an answer was slow.
_FRESH_MS = LEASE_MS * 9 // 10


class Move(NamedTuple):
    """One step of one participant."""

    what: str
    after: State
    broken: str = ""
    """The invariant that is broken, or nothing."""
    worker: int = -1
    details: tuple[object, ...] = ()


class Moves:
    """The rules of one world."""

    def __init__(self, world: World, program: Program) -> None:
        self.world = world
        self.program = program
        self._live: set[str] = set()
        """The versions and deliveries that somebody could still compare something with."""

    def of(self, state: State) -> Iterator[Move]:
        """Yield the moves that can come next; all, or enough to meet all that can go wrong.

        Once time does not move any more, an answer that is on its way touches its own worker only,
        and so does whether a completion waits. So that worker goes first: whatever the others do
        before, they can as well do after, and a claim known earlier only exposes more.
        """
        self._live = set(state.read()[1])
        if self.world.reduced and not state.left.waits and not state.left.steps:
            for number, worker in enumerate(state.workers):
                if worker.answered or worker.node.stop == "line":
                    yield from self._of_worker(state, number)
                    return
        for number in range(len(state.workers)):
            yield from self._of_worker(state, number)
        for sent_ms, request in state.ghosts:
            ghosts = tuple(one for one in state.ghosts if one != (sent_ms, request))
            after, _, broken = self._carry_out(state._replace(ghosts=ghosts), request, sent_ms)
            yield Move("a delayed request arrives", after, broken, details=(request,))
        if state.left.waits:
            for until_ms in sorted(self._moments(state)):
                yield Move("time passes", state.spend("waits")._replace(now_ms=until_ms))
        for key, ledger in enumerate(state.ledgers):
            expires_at = ledger.record.expires_at if ledger.record else None
            if expires_at is not None and expires_at * SECOND_MS <= state.now_ms:
                early = invariants.is_retained(ledger.done_until_ms, state, self.world)
                after = state.with_ledger(key, record=None, done_until_ms=0)
                broken = invariants.DONE_ONCE if early else ""
                yield Move("TTL deletes the item", after, broken, details=(KEYS[key],))

    def answer(
        self, stored: Record | None, request: Request, now_ms: int
    ) -> tuple[Record | None, PutResult]:
        """Return what is stored after the store has carried out a request, and its answer."""
        verb, record, expected = request
        date_seconds = now_ms // SECOND_MS if self.world.sends_date else None
        if verb == "if lapsed" and stored is not None:
            # The client's clock, as it puts it into the condition.
            lapsed = stored.lease_until_ms <= (record.claimed_at_ms or 0)
            expected = stored.version if lapsed else None
        met = verb not in _ON_A_CONDITION or expected == (stored.version if stored else None)
        if verb == "read" or not met:
            return stored, PutResult(written=False, existing=stored, date_seconds=date_seconds)
        unchanged = {"effect": stored, "delete": None}
        return unchanged.get(verb, record), PutResult(written=True, date_seconds=date_seconds)

    def _of_worker(self, state: State, number: int) -> Iterator[Move]:
        worker, left = state.workers[number], state.left
        if worker.node.stop == "rest":
            for batch in self.world.batches if left.deliveries else ():
                yield self._deliver(state, number, batch)
        elif worker.node.stop == "handler":
            yield self._give(state, number, "returns")
            if left.raises:
                yield self._give(state.spend("raises"), number, "raises")
            if left.extensions:
                yield self._give(state.spend("extensions"), number, "extends")
        elif worker.node.stop == "line":
            yield self._give(state, number, "sends completions")
            yield self._give(state, number, "queues its completion")
        else:
            yield from self._of_request(state, number)
        if left.crashes and worker.node is not self.program.born:
            yield self._crash(state, number)
        for step_ms in (self.world.step_ms, -self.world.step_ms) if left.steps else ():
            stepped = worker._replace(clock_ms=worker.clock_ms + step_ms)
            after = state.spend("steps").with_worker(number, stepped)
            yield Move("its clock is set", after, "", number, (step_ms,))

    def _of_request(self, state: State, number: int) -> Iterator[Move]:
        worker, left = state.workers[number], state.left
        waiting = [index for index, answer in enumerate(worker.answers) if answer is None]
        if not waiting:
            yield self._give(state, number, worker.answers, "gets the answer")
        for index in waiting:
            yield self._execute(state, number, index)
        if left.losses and len(waiting) < len(worker.answers):
            again = worker._replace(answers=(None,) * len(worker.answers), retried=True)
            after = state.spend("losses").with_worker(number, again)
            yield Move("answer lost; the SDK sends the same request again", after, "", number)
            yield self._fail(state.spend("losses"), number, "answer lost")
        elif left.losses:
            yield self._fail(state.spend("losses"), number, "request lost")
            yield self._fail(state.spend("losses"), number, "refused")
        if waiting and left.ghosts:
            yield self._fail(_delayed(state, number), number, "request delayed")
            if left.crashes:
                yield self._crash(_delayed(state, number), number)

    def _deliver(self, state: State, number: int, batch: tuple[int, ...]) -> Move:
        worker = state.workers[number]
        messages: Messages = ()
        for key in batch:
            delivery = fresh_name("d", self._live)
            self._live.add(delivery)
            messages += ((key, delivery),)
            worker = worker.with_stake(key, delivery=delivery, until_ms=0)
        state = state.spend("deliveries").with_worker(number, worker)
        return self._give(state, number, messages, "gets a delivery")

    def _execute(self, state: State, number: int, index: int) -> Move:
        worker = state.workers[number]
        request = worker.node.requests[index]
        after, answer, broken = self._carry_out(state, request, worker.sent_ms)
        answers = (*worker.answers[:index], answer, *worker.answers[index + 1 :])
        after = after.with_worker(number, worker._replace(answers=answers))
        return Move("its request arrives", after, broken, number, (request, answer))

    def _fail(self, state: State, number: int, why: str) -> Move:
        worker = state.workers[number]
        failed = worker._replace(answers=())
        for request in worker.node.requests:
            failed = failed.with_stake(request.key, excused=True)
        # A refusal says nothing of the attempts before it.
        unknown = worker.retried if why == "refused" else True
        return self._give(state.with_worker(number, failed), number, unknown, why)

    def _crash(self, state: State, number: int) -> Move:
        stakes = (Stake(excused=True),) * self.world.keys
        born = Worker(self.program.born, state.workers[number].clock_ms, stakes)
        return Move("crashes", state.spend("crashes").with_worker(number, born), "", number)

    def _carry_out(
        self, state: State, request: Request, sent_ms: int
    ) -> tuple[State, PutResult, str]:
        key = request.key
        stored = state.ledgers[key].record
        record, answer = self.answer(stored, request, state.now_ms)
        broken = invariants.broken_by_write(state, request, record, self.world)
        if record is not stored:
            done = record is not None and record.state is RecordState.DONE
            # Retention counts from `complete`, whenever its write arrived.
            done_until_ms = sent_ms + RETENTION_MS if done else 0
            state = state.with_ledger(key, record=record, done_until_ms=done_until_ms)
        if answer.written and request.verb in _MAKES_THE_EFFECT:
            # No window is exempted.
            if invariants.is_retained(state.ledgers[key].effect_until_ms, state, self.world):
                broken = invariants.EFFECT_ONCE
            until_ms = sent_ms + RETENTION_MS
            state = state.with_ledger(key, finished=True, effect_until_ms=until_ms)
        return state, answer, broken

    def _give(self, state: State, number: int, value: object, what: str = "") -> Move:
        """Have a worker go on with what it waited for."""
        worker = before = state.workers[number]
        if before.node.stop == "store":
            state = state._replace(slowest_ms=max(state.slowest_ms, state.now_ms - before.sent_ms))
        fresh = fresh_name("v", self._live)
        given = Input(value, state.now_ms + before.clock_ms, fresh, state.now_ms)
        node, events = self.program.step(before.node, given)
        broken = ""
        for event in events:
            if event.kind == "returned":
                state = state.with_ledger(event.key, finished=True)
            broken = broken or invariants.broken_by_news(state, before, event)
            worker = _after_event(worker, event, state.now_ms)
        sent_ms = state.now_ms if node.stop == "store" else 0
        claims = any(one.record.state is RecordState.IN_PROGRESS for one in node.requests)
        worker = worker._replace(
            node=node,
            answers=(None,) * len(node.requests),
            sent_ms=sent_ms,
            claims_sent_ms=sent_ms if claims or not sent_ms else before.claims_sent_ms,
            retried=False,
        )
        broken = broken or invariants.broken_at_rest(state, worker)
        after = state.with_worker(number, worker)
        return Move(what or str(value), after, broken, number, (*events, *node.requests))

    def _moments(self, state: State) -> set[int]:
        """Return the moments worth waiting for.

        That is one that slows things down, and the first at which somebody may find the lease or
        the retention over: what is legal then was so soonest.
        """
        records = [ledger.record for ledger in state.ledgers if ledger.record is not None]
        if not records and all(worker.node.stop == "rest" for worker in state.workers):
            return set()
        world = self.world
        ends_ms = {state.now_ms + world.slow_ms} if world.slow_ms else set()
        for record in records:
            end_ms = 0
            if record.state is RecordState.IN_PROGRESS:
                end_ms = record.lease_until_ms
            elif record.state is RecordState.DONE:
                end_ms = (record.expires_at or 0) * SECOND_MS
            seen_ms = -(-end_ms // SECOND_MS) * SECOND_MS
            ends_ms.add(seen_ms if world.sends_date else end_ms - max(world.clocks_ms))
        return {end_ms for end_ms in ends_ms if end_ms > state.now_ms}


def _delayed(state: State, number: int) -> State:
    worker = state.workers[number]
    late = tuple(
        (worker.sent_ms, request)
        for request, answer in zip(worker.node.requests, worker.answers, strict=True)
        if answer is None
    )
    return state.spend("ghosts")._replace(ghosts=state.ghosts + late)


def _after_event(worker: Worker, event: Event, now_ms: int) -> Worker:
    """Return what is promised to a worker after something it did."""
    if event.kind in {"claimed", "extended"}:
        asked = (request.key for request in worker.node.requests)
        until_ms = worker.claims_sent_ms + LEASE_MS if event.key in asked else now_ms + _FRESH_MS
        return worker.with_stake(event.key, until_ms=until_ms, excused=False)
    # After `raised` it has given the key up; after a completion it is the record that speaks. A
    # completion that the store did not take leaves the lease as it was.
    given_up = event.kind in {"raised", "released", "completed", "ClaimLostError", "kept"}
    return worker.with_stake(event.key, until_ms=0) if given_up else worker
