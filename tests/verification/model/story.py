"""The way to a broken invariant, told so that a reader can follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.verification.model.consumer import Work
from tests.verification.model.invariants import DROPPED, NOTHING_LOST
from tests.verification.model.moves import Kind, Move
from tests.verification.model.process import ON_A_CONDITION, Request, Stop, Verb
from tests.verification.model.state import first_state
from tests.verification.model.world import KEYS, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record
    from tests.verification.model.process import Event
    from tests.verification.model.scheduler import Scheduler
    from tests.verification.model.state import State, Worker

_EVENTS = {
    "claimed": "owns the key and starts its handler",
    "already done": "is told it is done and drops the event",
    "in progress": "is told to come back later",
    "unclaimed": "cannot claim: the store failed",
    "returned": "handler returns: the effect is made",
    "raised": "handler raises",
    "lost": "is told its claim is lost",
    "unreachable": "cannot reach the store",
    "settled": "succeeds",
    "kept": "leaves the message in its queue",
    "deleted": "deletes the message",
}


def tell(scheduler: Scheduler, way: Iterable[Move], broken: str) -> str:
    """Return the story of a way through a world, one move a line."""
    world = scheduler.world
    clocks = ", ".join(
        f"{name} {clock_ms / 1000:+g} s"
        for name, clock_ms in zip("ABC", world.clocks_ms, strict=False)
        if clock_ms
    )
    lines = [f"{world.name}" + (f" (clocks: {clocks})" if clocks else "")]
    state = first_state(world, scheduler.nodes)
    ended_badly = ""
    for number, move in enumerate(way, start=1):
        after, ended_badly = scheduler.play(state, move)
        at_seconds = (state.now_ms - world.start_ms) / 1000
        lines.append(f"  {number:2} {at_seconds:6.1f} s  {_line(scheduler, state, move, after)}")
        state = after
    if broken in {NOTHING_LOST, DROPPED} and not ended_badly:
        lines.append(
            "     then all workers die; a delivery comes one lease later, or past retention"
        )
    return "\n".join([*lines, f"  => broken: {broken}"])


def _line(scheduler: Scheduler, state: State, move: Move, after: State) -> str:
    if move.kind is Kind.WAIT:
        return f"{(move.detail - state.now_ms) / 1000:g} s pass"
    if move.kind is Kind.SWEEP:
        return f"TTL deletes the item{_on(scheduler, move.detail)}"
    if move.kind is Kind.GHOST:
        return f"a delayed request arrives: {_asked(state.ghosts[move.detail][1])}"
    worker, later = state.workers[move.worker], after.workers[move.worker]
    return f"{'ABC'[move.worker]}{_deed(scheduler, state, move, worker, later)}"


def _deed(scheduler: Scheduler, state: State, move: Move, worker: Worker, later: Worker) -> str:
    if move.kind is Kind.EXECUTE:
        answer = later.answers[move.detail]
        assert answer is not None
        part = "request" if len(later.answers) == 1 else f"write {move.detail + 1}"
        return f"'s {part} arrives: {_asked(worker.node.requests[move.detail])} {_said(answer)}"
    if move.kind is Kind.RETRY:
        return "'s answer is lost; the SDK sends the same request again"
    if move.kind is Kind.CRASH:
        return " crashes" + (f", its {move.detail}" if move.detail else "")
    if move.kind is Kind.STEP:
        return f"'s clock is set by {move.detail / 1000:+g} s"
    deeds: dict[Kind, str] = {
        Kind.DELIVER: " gets a delivery" + _of(move.detail),
        Kind.ANSWER: " gets the answer",
        Kind.FAIL: f" gives up on the store ({move.detail})",
    }
    deed = deeds.get(move.kind, "")
    told = [deed] if deed else []
    told += [move.detail.value] if move.detail in {Work.COMMITS, Work.QUEUES} else []
    for event in scheduler.events(state, move):
        told.append(_event(event) + _on(scheduler, event.key))
    if later.node.stop is Stop.STORE:
        told.append(f"sends: {' + '.join(map(_asked, later.node.requests))}")
    return (" " if not deed else "") + "; ".join(told)


def _on(scheduler: Scheduler, key: int) -> str:
    return f" ({KEYS[key]})" if scheduler.world.keys > 1 else ""


def _of(batch: object) -> str:
    if not isinstance(batch, tuple) or len(batch) == 1:
        return ""
    return f" of {' and '.join(KEYS[key] for key in batch)}"


def _event(event: Event) -> str:
    return f"{event.detail} {_EVENTS[event.kind]}".strip()


def _asked(request: Request) -> str:
    if request.verb in {Verb.READ, Verb.DELETE, Verb.EFFECT}:
        return str(request.verb.value)
    wanted: str = f"{request.verb.value} {_brief(request.record)}"
    if request.verb not in ON_A_CONDITION:
        return wanted
    return f"{wanted}, if {'no item' if request.expected_version is None else 'unchanged'}"


def _said(answer: PutResult) -> str:
    if answer.written:
        return "-> done"
    return f"-> {_brief(answer.existing)} stands" if answer.existing else "-> no item"


def _brief(record: Record) -> str:
    key = KEYS[key_of(record)]
    named = "" if key == KEYS[0] else f" on {key}"
    return f"{record.state.value} of claim {record.generation}{named} [{record.version[1:]}]"
