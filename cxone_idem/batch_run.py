"""One batch on its way: claimed ahead in one request, run in order, completed in groups."""

from __future__ import annotations

import logging
from itertools import chain
from typing import TYPE_CHECKING, Any

from cxone_idem.already_done import AlreadyDone
from cxone_idem.claims_ahead import ClaimsAhead
from cxone_idem.committer import Committer
from cxone_idem.current import under
from cxone_idem.errors import IdemError, quoted
from cxone_idem.fate import DELETED, Fate
from cxone_idem.frames import let_go
from cxone_idem.job import Job, lanes, refusal
from cxone_idem.outcome_log import tell, tell_no_time
from cxone_idem.record import State
from cxone_idem.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.claimed import Claimed
    from cxone_idem.claims import Claims
    from cxone_idem.invocation import Invocation
    from cxone_idem.outcome import Outcome
    from cxone_idem.record import Record
    from cxone_idem.sqs_message import Message

logger = logging.getLogger("cxone_idem")

# As many claims as go into one request (BatchExecuteStatement takes 25 statements).
_CHUNK = 25


class BatchRun:
    """Settles the messages of one invocation. `run` does the work of one event, as `name`."""

    def __init__(
        self,
        claims: Claims,
        run: Callable[[dict[str, Any]], None],
        name: str,
        invocation: Invocation,
        max_workers: int,
    ) -> None:
        self._claims = claims
        self._run = run
        self._name = name
        self._invocation = invocation
        self._max_workers = max_workers
        self._committer = Committer(claims)
        self._completing: dict[Claimed, Job] = {}
        self._done: dict[str, Record] = {}
        """The record of each key whose work is done, as far as this batch knows."""
        self._blocked_groups: set[str | None] = set()
        self._held_groups: set[str | None] = set()
        """Groups whose next message waits for another worker."""
        self._patience = claims.patience(invocation)
        self._ahead = ClaimsAhead(claims, invocation, self._committer)
        self._stopping = False
        self._left_at_end = ""
        """How much time there was when it turned out to be too little."""
        self._last: Job | None = None

    def settle(self, messages: Sequence[Message]) -> list[Outcome]:
        """Bring every message to its end. Only BaseExceptions of the handler get out."""
        jobs: list[Job] = []
        waiting: list[Job] = []
        size = _CHUNK * self._max_workers
        try:
            for start in range(0, len(messages), size):
                chunk = [
                    Job(message, self._claims.config, self._invocation)
                    for message in messages[start : start + size]
                ]
                jobs += chunk
                waiting += self._settle_chunk(chunk, chunk, last=len(jobs) == len(messages))
            self._wait_for(waiting)
        except BaseException:
            for job in jobs:
                let_go(job.error)
            raise
        finally:
            self._note_completions()
        self._tell_no_time(jobs)
        return [job.outcome() for job in jobs]

    def _wait_for(self, waiting: list[Job]) -> None:
        """Settle what other workers had as they get done with it, until patience is over."""
        while waiting:
            held = [job for job in waiting if job.fate is Fate.IN_PROGRESS]
            pause_seconds = self._patience.next_pause_seconds(
                min(job.retry_after_seconds for job in held)
            )
            if not pause_seconds:
                break
            self._claims.sleep(pause_seconds)
            self._held_groups.clear()
            for job in held:
                job.ask_again()
            waiting = self._settle_chunk(waiting, held)
        for job in waiting:
            job.give_up()
            tell(job.outcome())

    def _settle_chunk(self, jobs: list[Job], ahead: list[Job], *, last: bool = False) -> list[Job]:
        """Settle `jobs`, claiming for those `ahead`; return what waits for another worker.

        In a FIFO group all that stands behind such a message waits with it.
        """
        self._ahead = ClaimsAhead(self._claims, self._invocation, self._committer)
        try:
            self._ahead.start(self._wanted(ahead))
            jobs = self._ahead.in_order(jobs)
            if self._max_workers == 1:
                self._last = jobs[-1] if last else None
                return self._settle_lane(jobs)
            workers = Workers(self._settle_lane, lanes(jobs))
            return [*chain.from_iterable(workers.run(self._max_workers))]
        finally:
            self._ahead.give_back_unused()

    def _wanted(self, jobs: list[Job]) -> list[Job]:
        """Return whose keys are sure to be wanted: the first message of each."""
        if self._claims.config.disabled or self._out_of_time():
            return []
        first: dict[str, Job] = {}
        stopped = self._blocked_groups | self._held_groups
        for job in jobs:
            if job.fate is None and job.message.group not in stopped and job.key not in self._done:
                first.setdefault(job.key, job)
        return list(first.values())

    def _settle_lane(self, lane: list[Job]) -> list[Job]:
        waiting = []
        for job in lane:
            if job.message.group not in self._held_groups:
                self._settle_one(job)
                if not self._waits(job):
                    continue
                if job.message.group is not None:
                    self._held_groups.add(job.message.group)
            waiting.append(job)
        return waiting

    def _waits(self, job: Job) -> bool:
        return job.fate is Fate.IN_PROGRESS and not self._patience.over

    def _settle_one(self, job: Job) -> None:
        if self._stopping:
            return
        try:
            job.fate = self._fate(job)
        except BaseException:
            self._stopping = True
            raise
        if self._waits(job):
            return
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
            with under(None):
                return Fate.UNPROTECTED if job.works(self._run) else Fate.HANDLER_FAILED
        outcome = self._ahead.outcome(job)
        if isinstance(outcome, IdemError):
            job.note(outcome)
            return refusal(outcome)
        if isinstance(outcome, AlreadyDone):
            job.note(outcome)
            return self._fate_of_done(job, outcome)
        if self._out_of_time():  # asked last of all, as the claim may have taken long
            self._ahead.give_back([outcome], begun=False)
            return Fate.NO_TIME
        job.note(outcome)
        return self._run_claimed(job, outcome)

    def _fate_of_done(self, job: Job, done: AlreadyDone) -> Fate:
        try:
            self._claims.doers.check(job.key, self._name)
        except IdemError as error:
            job.error = error
            return Fate.SECOND_HANDLER
        self._done.setdefault(job.key, done.record)
        return Fate.ALREADY_DONE

    def _fate_without_asking(self, job: Job) -> Fate | None:
        if self._out_of_time():
            return Fate.NO_TIME
        if job.message.group in self._blocked_groups:
            return Fate.GROUP_BLOCKED
        if job.fate is None and job.key in self._done:
            return job.fate_after(self._done[job.key])
        return job.fate

    def _run_claimed(self, job: Job, claim: Claimed) -> Fate:
        try:
            with under(claim):
                worked = job.works(self._run)
        except BaseException:
            self._ahead.give_back([claim], begun=True)
            raise
        if not worked:
            self._ahead.give_back([claim], begun=True)
            if claim.record.state is not State.DONE:
                return Fate.HANDLER_FAILED
            logger.info(
                "message %s is done: process_event raised, but its transaction had committed",
                quoted(job.message.id),
                exc_info=job.error,
            )
        self._claims.doers.note(job.key, self._name)
        self._done[job.key] = claim.record
        self._completing[claim] = job
        self._committer.submit(claim, last=job is self._last)
        return Fate.COMPLETED

    def _out_of_time(self) -> bool:
        if self._invocation.spare_seconds(self._claims.config.min_remaining_seconds) >= 0:
            return False
        self._left_at_end = self._left_at_end or self._invocation.left()
        return True

    def _tell_no_time(self, jobs: list[Job]) -> None:
        not_started = sum(job.fate is Fate.NO_TIME for job in jobs)
        if not_started and self._left_at_end:
            tell_no_time(
                not_started, len(jobs), self._left_at_end, self._claims.config.min_remaining_seconds
            )

    def _note_completions(self) -> None:
        for claim, error in self._committer.close().items():
            job = self._completing[claim]
            job.note_completion(claim, error)
            tell(job.outcome())
