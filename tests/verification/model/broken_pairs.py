"""Mistakes of the batch path that the check must find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem.claims.manager import ClaimManager
from cxone_idem.sqs.committer import GroupCommitter
from tests.verification.model import invariants
from tests.verification.model.broken import Mistake
from tests.verification.model.consumer import by_the_batch
from tests.verification.model.line import ManyPort
from tests.verification.model.world import Budget, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem import StoreError
    from cxone_idem.errors import IdemError
    from cxone_idem.protocol.held_claim import HeldClaim
    from cxone_idem.protocol.store import ConditionalPut, PutResult


def _answer_early(self: GroupCommitter) -> dict[HeldClaim, IdemError | None]:
    return self._errors


def _stay_stale(self: ClaimManager, held: HeldClaim) -> None:
    """Start on a lease however old it is."""


class FirstAnswerForAll(ManyPort):
    """Takes the first answer of a request for the answer to all its writes."""

    def put_many(
        self, writes: Sequence[ConditionalPut], *_: object
    ) -> list[PutResult | StoreError]:
        """Ask for all of the writes; repeat the first answer."""
        answers = super().put_many(writes)
        return [answers[0] for _ in answers]


def _mistake(name: str, budget: Budget, *caught_by: str, **more: Any) -> Mistake:
    world = World(name, budget, (0, 0), batches=((0, 1),))
    more = {"port": ManyPort, "deliver": by_the_batch, **more}
    return Mistake(name, world, frozenset(caught_by), **more)


PAIR_MISTAKES = (
    _mistake(
        "a batch answers before its completions are settled",
        Budget(1, raises=1),
        invariants.UNRECORDED,
        patches=((GroupCommitter, "close", _answer_early),),
    ),
    _mistake(
        "claims made ahead are not extended before their handlers start",
        Budget(2, waits=1),
        invariants.ONE_OWNER,
        invariants.OWN_RECORD,
        patches=((ClaimManager, "renew_if_stale", _stay_stale),),
    ),
    _mistake(
        "one answer is taken for every write of its request",
        Budget(2),
        invariants.OWN_WRITE,
        port=FirstAnswerForAll,
    ),
)
