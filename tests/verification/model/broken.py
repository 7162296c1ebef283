"""Mistakes that the check must find: small pieces of the real code or of its store, replaced."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from cxone_idem.claims.manager import ClaimManager
from cxone_idem.protocol import decisions, transition
from cxone_idem.protocol.clock import ClockSample
from cxone_idem.protocol.decisions import Decision, decide_refused_claim
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import State
from cxone_idem.sqs.committer import GroupCommitter
from tests.verification.model import invariants as must
from tests.verification.model.consumer import commits, fails, transacts
from tests.verification.model.process import ManyPort, Port, Request
from tests.verification.model.search import Search
from tests.verification.model.worlds import BOTH, TWO_MINUTES_MS, Budget, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem import Claimed, StoreError
    from cxone_idem.protocol.store import ConditionalPut, PutResult
    from cxone_idem.record import Record

_put_if, _put_many = Port.put_if, ManyPort.put_many


def _check_then_insert(port: Port, record: Record, expected_version: str | None) -> PutResult:
    answer = port.ask(Request("read", record))
    if (answer.existing.version if answer.existing else None) != expected_version:
        return answer
    return port.ask(Request("put", record))


def _complete_anyway(port: Port, record: Record, expected_version: str | None) -> PutResult:
    if record.state is State.DONE:
        return port.ask(Request("put", record))
    return _put_if(port, record, expected_version)


def _delete_anyway(port: Port, record: Record, expected_version: str | None) -> PutResult:
    if record.state is State.RELEASED:
        return port.ask(Request("delete", record))
    return _put_if(port, record, expected_version)


def _drop_date(port: Port, record: Record, expected_version: str | None) -> PutResult:
    return _put_if(port, record, expected_version)._replace(date_seconds=None)


def _clock_in_condition(port: Port, record: Record, expected_version: str | None) -> PutResult:
    if record.state is State.IN_PROGRESS and expected_version is None:
        return port.ask(Request("if lapsed", record))
    return _drop_date(port, record, expected_version)


def _first_for_all(port: ManyPort, puts: Sequence[ConditionalPut], *_: object) -> list[Any]:
    answers: list[PutResult | StoreError] = _put_many(port, puts)
    return [answers[0] for _ in answers]


def _transact_anyway(_: Port, put: ConditionalPut) -> Request:
    return Request("transact", put.record)


def _done_until_deleted(attempted: Record, existing: Record | None, *rest: int) -> Decision:
    if existing is not None and existing.state is State.DONE:
        return Decision.OWNED if existing.version == attempted.version else Decision.DONE
    return decide_refused_claim(attempted, existing, *rest)


def _held_until_deleted(attempted: Record, existing: Record | None, *rest: int) -> Decision:
    decision = decide_refused_claim(attempted, existing, *rest)
    held = existing is not None and existing.state is State.IN_PROGRESS
    return Decision.IN_PROGRESS if held and decision is Decision.TAKE_OVER else decision


def _one_more_attempt(
    attempted: Record, existing: Record | None, now_ms: int, attempts: int
) -> Decision:
    return decide_refused_claim(attempted, existing, now_ms, attempts + 1)


def _in_two_steps(held: Claimed, port: Port) -> None:
    if not commits(held, port, lambda: Request("effect", held.record)):
        fails(held, port)


def _believing(held: Claimed, port: Port) -> None:
    commits(held, port, held.transaction_item)


def _answer_early(committer: GroupCommitter) -> object:
    return committer._errors  # noqa: SLF001 -- it replaces a method


class Mistake(NamedTuple):
    """A broken variant: the world that shows it, what it must be caught by, what is replaced."""

    world: World
    caught_by: tuple[str, ...]
    where: Any = None
    name: str = ""
    instead: Any = None

    def search(self) -> Search:
        """Search the mistake's world with the mistake made."""
        with ExitStack() as stack:
            if self.name:
                stack.enter_context(patch.object(self.where, self.name, self.instead))
            return Search(self.world).run()


_PLAIN = World("")
_BATCH = World("", clocks_ms=(0, 0), batches=BOTH, in_batches=True)
_EFFECT = World("", handler=transacts)
_FAST = World("", clocks_ms=(TWO_MINUTES_MS, 0, 0))
_SLOW = World("", clocks_ms=(-TWO_MINUTES_MS, 0, 0))
_APART = World("", clocks_ms=(1500, 0, -1500), sends_date=False)
_ONE_ATTEMPT = World("", max_attempts=1)
_TWO_OWNERS = (must.ONE_OWNER, must.OWN_RECORD)


def _mistake(
    name: str, caught_by: tuple[str, ...], *patched: Any, world: World = _PLAIN, **budget: int
) -> Mistake:
    return Mistake(world._replace(name=name, budget=Budget(**budget)), caught_by, *patched)


# One mistake a paragraph: name and what catches it, what is replaced by what, where it shows.
# fmt: off
MISTAKES = (
    _mistake("check, then insert", _TWO_OWNERS, Port, "put_if", _check_then_insert),
    _mistake("complete without a condition", (must.OWN_RECORD,),
             Port, "put_if", _complete_anyway, waits=1),
    _mistake("delete without a condition when the handler fails", (must.OWN_RECORD, must.DONE_ONCE),
             Port, "put_if", _delete_anyway, waits=1, raises=1),
    _mistake("own writes are not recognised", (must.OWN_WRITE,),
             decisions, "is_own", lambda *_: False, losses=1),
    _mistake("leases judged by the local clock, which is 2 minutes fast", _TWO_OWNERS,
             Port, "put_if", _drop_date, world=_FAST),
    _mistake("the claimant's clock inside the condition", _TWO_OWNERS,
             Port, "put_if", _clock_in_condition, world=_FAST),
    _mistake("DONE counts until TTL deletes it", (must.NOTHING_LOST,),
             decisions, "decide_refused_claim", _done_until_deleted),
    _mistake("a lease counts until TTL deletes it", (must.NOTHING_LOST,),
             decisions, "decide_refused_claim", _held_until_deleted),
    _mistake("one attempt more than is allowed", (must.TRIED_OUT,),
             decisions, "decide_refused_claim", _one_more_attempt, world=_ONE_ATTEMPT, raises=1),
    _mistake("a slow clock's first lease is not stamped again", _TWO_OWNERS,
             ClockSample, "covers", lambda *_: True, world=_SLOW),
    _mistake("no margin for clocks that are 3 s apart", _TWO_OWNERS,
             transition, "LEASE_MARGIN_MS", 0, world=_APART, waits=1),
    _mistake("a batch answers before its completions are settled", (must.UNRECORDED,),
             GroupCommitter, "close", _answer_early, world=_BATCH, deliveries=1, raises=1),
    _mistake("claims made ahead are not extended before their handlers start", _TWO_OWNERS,
             ClaimManager, "renew_if_stale", lambda *_: None, world=_BATCH, deliveries=2, waits=1),
    _mistake("one answer is taken for every write of its request", (must.OWN_WRITE,),
             ManyPort, "put_many", _first_for_all, world=_BATCH, deliveries=2),
    _mistake("effect first, its record in a second request", (must.EFFECT_ONCE,),
             world=_EFFECT._replace(handler=_in_two_steps), deliveries=2, crashes=1, waits=1),
    _mistake("a transaction without the claim's condition", (must.EFFECT_ONCE,),
             Port, "transaction_item", _transact_anyway, world=_EFFECT, deliveries=1, losses=1),
    _mistake("a claim forgets the write it handed to a transaction", (must.OWN_WRITE,),
             HeldClaim, "may_have_landed", lambda *_: None, world=_EFFECT, deliveries=1),
    _mistake("a handler takes a lost answer for a commit", (must.DROPPED,),
             world=_EFFECT._replace(handler=_believing), deliveries=2, losses=1),
)
# fmt: on
