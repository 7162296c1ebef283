"""One batch on its way: claimed ahead in one request, run in order, completed in groups."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cxone_idem.claimed import AlreadyDone, Claimed
from cxone_idem.committer import Committer
from cxone_idem.current import under
from cxone_idem.errors import ClaimLostError, IdemError, InProgressError
from cxone_idem.fate import DELETED, Fate
from cxone_idem.job import Job, lanes
from cxone_idem.record import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.claims import Claims
    from cxone_idem.invocation import Invocation
    from cxone_idem.outcome import Outcome
    from cxone_idem.record import Origin
    from cxone_idem.sqs_message import Message

logger = logging.getLogger("cxone_idem")

# As many claims as go into one request (BatchExecuteStatement takes 25 statements).
_CHUNK = 25


class BatchRun:
    """Settles the messages of one invocation. `run` does the work of one event."""

    def __init__(
        self,
        claims: Claims,
        run: Callable[[dict[str, Any]], None],
        invocation: Invocation,
        max_workers: int,
    ) -> None:
        self._claims = claims
        self._run = run
        self._invocation = invocation
        self._max_workers = max_workers
        self._committer = Committer(claims)
        self._completing: dict[Claimed, Job] = {}
        self._done: dict[str, Origin] = {}
        """Whose delivery did the work of each key that is done, as far as this batch knows."""
        self._blocked_groups: set[str] = set()
        self._stopping = False
        self._last: Job | None = None

    def settle(self, messages: Sequence[Message]) -> list[Outcome]:
        """Bring every message to its end. Only BaseExceptions of the handler get out."""
        jobs: list[Job] = []
        size = _CHUNK * self._max_workers
        try:
            for start in range(0, len(messages), size):
                chunk = [
                    Job(message, self._claims.config, self._invocation)
                    for message in messages[start : start + size]
                ]
                jobs += chunk
                if self._max_workers == 1 and len(jobs) == len(messages):
                    self._last = jobs[-1]
                self._settle_chunk(chunk)
        finally:
            self._note_completions()
        return [job.outcome() for job in jobs]

    def _settle_chunk(self, jobs: list[Job]) -> None:
        try:
            self._claim_ahead(jobs)
            if self._max_workers == 1:
                for job in jobs:
                    self._settle_one(job)
                return
            with ThreadPoolExecutor(self._max_workers) as pool:
                for _ in pool.map(self._settle_lane, lanes(jobs)):
                    pass
        finally:
            self._give_back([job.claimed for job in jobs if isinstance(job.claimed, Claimed)])

    def _claim_ahead(self, jobs: list[Job]) -> None:
        """Claim in one request what is sure to be wanted: the first message of each key."""
        if self._claims.config.disabled or self._out_of_time():
            return
        first: dict[str, Job] = {}
        for job in jobs:
            blocked = job.message.group in self._blocked_groups
            if job.fate is None and not blocked and job.key not in self._done:
                first.setdefault(job.key, job)
        jobs = list(first.values())
        for job, outcome in zip(jobs, self._claim(jobs), strict=True):
            job.claimed = outcome

    def _claim(self, jobs: list[Job]) -> list[Claimed | AlreadyDone | IdemError]:
        return self._claims.claim_all([(job.key, job.origin) for job in jobs], self._invocation)

    def _settle_lane(self, lane: list[Job]) -> None:
        for job in lane:
            self._settle_one(job)

    def _settle_one(self, job: Job) -> None:
        if self._stopping:
            return
        try:
            job.fate = self._fate(job)
        except BaseException:
            self._stopping = True
            raise
        job.envelope = {}
        if job.message.group is not None and job.fate not in DELETED:
            self._blocked_groups.add(job.message.group)

    def _fate(self, job: Job) -> Fate:
        known = self._fate_without_asking(job)
        if known is not None:
            return known
        if self._claims.config.disabled:
            with under(None):
                return Fate.UNPROTECTED if self._works(job) else Fate.HANDLER_FAILED
        outcome = self._outcome(job)
        job.note(outcome)
        if isinstance(outcome, (InProgressError, ClaimLostError)):
            logger.info("message %s comes back later: %s", job.message.id, outcome)
            return Fate.IN_PROGRESS
        if isinstance(outcome, IdemError):
            logger.error("message %s was not claimed: %s", job.message.id, outcome)
            return Fate.STORE_FAILED
        if isinstance(outcome, AlreadyDone):
            logger.info("message %s is a duplicate of %r, done already", job.message.id, job.key)
            self._done.setdefault(job.key, outcome.record.origin)
            return Fate.ALREADY_DONE
        return self._run_claimed(job, outcome)

    def _fate_without_asking(self, job: Job) -> Fate | None:
        if job.message.group in self._blocked_groups:
            return Fate.GROUP_BLOCKED
        if self._out_of_time():
            return Fate.NO_TIME
        if job.fate is None and job.key in self._done:
            job.first = self._done[job.key]
            return Fate.SAME_BATCH
        return job.fate

    def _outcome(self, job: Job) -> Claimed | AlreadyDone | IdemError:
        """Return what a claim says now: made ahead, or made only here for a key seen before."""
        outcome, job.claimed = job.claimed, None
        if outcome is None:
            (outcome,) = self._claim([job])
        elif isinstance(outcome, Claimed):
            try:
                outcome.freshen()
            except IdemError as error:
                self._give_back([outcome])
                return error
        return outcome

    def _run_claimed(self, job: Job, claim: Claimed) -> Fate:
        try:
            with under(claim):
                worked = self._works(job)
        except BaseException:
            self._give_back([claim])
            raise
        if not worked:
            self._give_back([claim])
            if claim.record.state is not State.DONE:
                return Fate.HANDLER_FAILED
            logger.info("message %s is done: its transaction had committed", job.message.id)
        self._done[job.key] = job.origin
        self._completing[claim] = job
        self._committer.submit(claim, last=job is self._last)
        return Fate.COMPLETED

    def _works(self, job: Job) -> bool:
        try:
            self._run(job.envelope)
        except Exception as error:
            logger.exception("message %s, key %r: process_event raised", job.message.id, job.key)
            job.error = error
            return False
        return True

    def _out_of_time(self) -> bool:
        remaining_ms = self._invocation.remaining_ms()
        return (
            remaining_ms is not None
            and remaining_ms < self._claims.config.min_remaining_seconds * 1000
        )

    def _give_back(self, claims: list[Claimed]) -> None:
        for claim, error in zip(claims, self._claims.release_all(claims), strict=True):
            if error and claim.record.state is not State.DONE:
                logger.warning("key %r was not released: %s", claim.key, error)

    def _note_completions(self) -> None:
        for claim, error in self._committer.close().items():
            job = self._completing[claim]
            job.record, job.error = claim.record, error
            if isinstance(error, ClaimLostError):
                logger.error("message %s ran, perhaps a second time: %s", job.message.id, error)
                job.fate = Fate.CLAIM_LOST
            elif error:
                logger.error(
                    "message %s ran, but that is not recorded yet: %s", job.message.id, error
                )
                job.fate = Fate.UNRECORDED
