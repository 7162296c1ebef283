"""Claims made ahead of their work: the keys of many messages in as few requests as can be."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING

from cxone_idem.claimed import Claimed
from cxone_idem.errors import IdemError, quoted
from cxone_idem.frames import let_go
from cxone_idem.record import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.acquisition import Acquisition
    from cxone_idem.already_done import AlreadyDone
    from cxone_idem.claims import Claims
    from cxone_idem.committer import Committer
    from cxone_idem.invocation import Invocation
    from cxone_idem.job import Job

logger = logging.getLogger("cxone_idem")


class ClaimsAhead:
    """The claims of one chunk of a batch. Thread-safe once started."""

    def __init__(self, claims: Claims, invocation: Invocation, committer: Committer) -> None:
        self._claims = claims
        self._invocation = invocation
        self._committer = committer
        self._ways: dict[Job, Acquisition] = {}
        self._undecided: list[Acquisition] = []
        self._deciding = Lock()

    def start(self, jobs: Sequence[Job]) -> None:
        """Claim the keys of `jobs`, all different, in one request; some may need another one."""
        ways = self._claims.start([job.wanted for job in jobs], self._invocation)
        self._ways = dict(zip(jobs, ways, strict=True))
        self._undecided = [way for way in ways if way.outcome is None]

    def in_order(self, jobs: Sequence[Job]) -> list[Job]:
        """Put last what needs another request, so that completions are on their way meanwhile.

        The messages of a FIFO group stay in theirs.
        """
        undecided = {way.key for way in self._undecided}
        return sorted(jobs, key=lambda job: job.message.group is None and job.key in undecided)

    def outcome(self, job: Job) -> Claimed | AlreadyDone | IdemError:
        """Return what a claim says now: made ahead, or made only here for a key seen before."""
        way = self._ways.pop(job, None)
        if way is None:
            (outcome,) = self._claims.claim_all([job.wanted], self._invocation)
            return outcome
        if way.outcome is None:
            self._decide_all()
        (outcome,) = self._claims.decide([way])
        if isinstance(outcome, Claimed):
            try:
                outcome.freshen()
            except IdemError as error:
                self.give_back([outcome], begun=False)
                return error
        return outcome

    def _decide_all(self) -> None:
        """Bring all ways to their ends: one request, that of the completions if some wait."""
        with self._deciding:
            undecided = [way for way in self._undecided if way.outcome is None]
            if undecided:
                self._committer.carry(undecided)
                self._claims.decide(undecided)

    def give_back_unused(self) -> None:
        """Release what was claimed for messages that were not started."""
        claims = [way.outcome for way in self._ways.values()]
        self.give_back([claim for claim in claims if isinstance(claim, Claimed)], begun=False)

    def give_back(self, claims: list[Claimed], *, begun: bool) -> None:
        """Release claims; one that cannot be released ends with its lease."""
        _tell_kept(claims, self._claims.release_all(claims, begun=begun))


def _tell_kept(claims: list[Claimed], errors: list[IdemError | None]) -> None:
    for claim, error in zip(claims, errors, strict=True):
        if error and claim.record.state is not State.DONE:  # a handler's transaction commits it
            logger.warning("key %s was not released: %s", quoted(claim.key), error)
        let_go(error)
