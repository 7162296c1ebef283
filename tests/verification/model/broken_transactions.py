"""Mistakes around transactions that the check must find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem.protocol.held_claim import HeldClaim
from tests.verification.model import invariants
from tests.verification.model.broken import Mistake
from tests.verification.model.consumer import by_the_verbs
from tests.verification.model.process import Port, Request, Verb
from tests.verification.model.transactions import by_the_verbs_in_transactions, commits, fails
from tests.verification.model.world import Budget, World

if TYPE_CHECKING:
    from cxone_idem import Claimed, Deduplicator
    from cxone_idem.protocol.store import ConditionalPut
    from cxone_idem.record import Record
    from tests.verification.model.process import Messages, Tape


class NoCondition(Port):
    """Has a transaction write over whatever stands there."""

    def transaction_item(self, write: ConditionalPut) -> Request:
        """Return the write without its condition."""
        return Request(Verb.TRANSACT_ANYWAY, write.record)


def _in_two_steps(claims: Deduplicator, messages: Messages, tape: Tape) -> None:
    def work(held: Claimed, tape: Tape) -> None:
        if not commits(held, tape, lambda: Request(Verb.EFFECT, held.record)):
            fails(held, tape)

    by_the_verbs(claims, messages, tape, work)


def _believing(claims: Deduplicator, messages: Messages, tape: Tape) -> None:
    def work(held: Claimed, tape: Tape) -> None:
        commits(held, tape, held.transaction_item)

    by_the_verbs(claims, messages, tape, work)


def _forget(self: HeldClaim, wanted: Record) -> None:
    """Keep nothing in mind."""


def _mistake(name: str, budget: Budget, *caught_by: str, **more: Any) -> Mistake:
    more = {"deliver": by_the_verbs_in_transactions, **more}
    return Mistake(name, World(name, budget), frozenset(caught_by), **more)


TRANSACTION_MISTAKES = (
    _mistake(
        "effect first, its record in a second request",
        Budget(2, crashes=1, waits=1),
        invariants.EFFECT_ONCE,
        deliver=_in_two_steps,
    ),
    _mistake(
        "a transaction without the claim's condition",
        Budget(1, losses=1),
        invariants.EFFECT_ONCE,
        port=NoCondition,
    ),
    _mistake(
        "a claim forgets the write it handed to a transaction",
        Budget(1),
        invariants.OWN_WRITE,
        patches=((HeldClaim, "may_have_landed", _forget),),
    ),
    _mistake(
        "a handler takes a lost answer for a commit",
        Budget(2, losses=1),
        invariants.DROPPED,
        deliver=_believing,
    ),
)
