"""One batch on its way: claimed ahead in one request, run in order, completed in groups."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cxone_idem.claimed import AlreadyDone, Claimed
from cxone_idem.claims_ahead import ClaimsAhead
from cxone_idem.committer import Committer
from cxone_idem.errors import ClaimLostError, IdemError, InProgressError, OtherContentError
from cxone_idem.fate import DELETED, Fate
from cxone_idem.job import Job, lanes
from cxone_idem.outcome_log import tell
from cxone_idem.protocol import is_other_content

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.claims import Claims
    from cxone_idem.invocation import Invocation
    from cxone_idem.outcome import Outcome
    from cxone_idem.record import Record
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
        self._done: dict[str, Record] = {}
        """The record of each key whose work is done, as far as this batch knows."""
        self._blocked_groups: set[str] = set()
        self._ahead = ClaimsAhead(claims, invocation)
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
                self._settle_chunk(chunk, last=len(jobs) == len(messages))
        finally:
            self._note_completions()
        return [job.outcome() for job in jobs]

    def _settle_chunk(self, jobs: list[Job], *, last: bool) -> None:
        self._ahead = ClaimsAhead(self._claims, self._invocation)
        try:
            self._ahead.start(self._wanted(jobs))
            jobs = self._ahead.in_order(jobs)
            if self._max_workers == 1:
                self._last = jobs[-1] if last else None
                for job in jobs:
                    self._settle_one(job)
                return
            with ThreadPoolExecutor(self._max_workers) as pool:
                for _ in pool.map(self._settle_lane, lanes(jobs)):
                    pass
        finally:
            self._ahead.give_back_unused()

    def _wanted(self, jobs: list[Job]) -> list[Job]:
        """Return whose keys are sure to be wanted: the first message of each."""
        if self._claims.config.disabled or self._out_of_time():
            return []
        first: dict[str, Job] = {}
        for job in jobs:
            blocked = job.message.group in self._blocked_groups
            if job.fate is None and not blocked and job.key not in self._done:
                first.setdefault(job.key, job)
        return list(first.values())

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
        if job.fate is not Fate.COMPLETED:
            tell(job.outcome())
        job.envelope = {}
        if job.message.group is not None and job.fate not in DELETED:
            self._blocked_groups.add(job.message.group)

    def _fate(self, job: Job) -> Fate:
        known = self._fate_without_asking(job)
        if known is not None:
            return known
        if self._claims.config.disabled:
            return Fate.UNPROTECTED if self._works(job) else Fate.HANDLER_FAILED
        outcome = self._ahead.outcome(job)
        job.note(outcome)
        if isinstance(outcome, IdemError):
            return _fate_of(outcome)
        if isinstance(outcome, AlreadyDone):
            self._done.setdefault(job.key, outcome.record)
            return Fate.ALREADY_DONE
        return self._run_claimed(job, outcome)

    def _fate_without_asking(self, job: Job) -> Fate | None:
        if job.message.group in self._blocked_groups:
            return Fate.GROUP_BLOCKED
        if self._out_of_time():
            return Fate.NO_TIME
        if job.fate is None and job.key in self._done:
            return self._fate_after(job, self._done[job.key])
        return job.fate

    def _fate_after(self, job: Job, done: Record) -> Fate:
        """Say what becomes of a message whose key this batch has seen done."""
        if is_other_content(job.fingerprint, done):
            job.note(OtherContentError(job.key, done, job.origin))
            return Fate.OTHER_CONTENT
        job.record, job.first = done, done.origin
        return Fate.SAME_BATCH

    def _run_claimed(self, job: Job, claim: Claimed) -> Fate:
        try:
            worked = self._works(job)
        except BaseException:
            self._ahead.give_back([claim])
            raise
        if not worked:
            self._ahead.give_back([claim])
            return Fate.HANDLER_FAILED
        self._done[job.key] = claim.record
        self._completing[claim] = job
        self._committer.submit(claim, last=job is self._last)
        return Fate.COMPLETED

    def _works(self, job: Job) -> bool:
        try:
            self._run(job.envelope)
        except Exception as error:  # noqa: BLE001 -- the one boundary of a message; told with its outcome
            job.error = error
            return False
        return True

    def _out_of_time(self) -> bool:
        remaining_ms = self._invocation.remaining_ms()
        return (
            remaining_ms is not None
            and remaining_ms < self._claims.config.min_remaining_seconds * 1000
        )

    def _note_completions(self) -> None:
        for claim, error in self._committer.close().items():
            job = self._completing[claim]
            job.record, job.error = claim.record, error
            if error:
                lost = isinstance(error, ClaimLostError)
                job.fate = Fate.CLAIM_LOST if lost else Fate.UNRECORDED
            tell(job.outcome())


def _fate_of(error: IdemError) -> Fate:
    if isinstance(error, (InProgressError, ClaimLostError)):
        return Fate.IN_PROGRESS
    return Fate.OTHER_CONTENT if isinstance(error, OtherContentError) else Fate.STORE_FAILED
