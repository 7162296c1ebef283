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
from cxone_idem.job import Job, lanes, refusal
from cxone_idem.outcome_log import tell
from cxone_idem.record import State

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
        self._blocked_groups: set[str | None] = set()
        self._held_groups: set[str | None] = set()
        """Groups whose next message waits for another worker."""
        self._patience = claims.patience(invocation)
        self._ahead = ClaimsAhead(claims, invocation, self._committer)
        self._stopping = False
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
        finally:
            self._note_completions()
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
            # Imported here: who asks for no threads does not pay for them in each cold start.
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

            with ThreadPoolExecutor(self._max_workers) as pool:
                return [*chain.from_iterable(pool.map(self._settle_lane, lanes(jobs)))]
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
        job.note(outcome)
        if isinstance(outcome, IdemError):
            return refusal(outcome)
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
        self._done[job.key] = claim.record
        self._completing[claim] = job
        self._committer.submit(claim, last=job is self._last)
        return Fate.COMPLETED

    def _out_of_time(self) -> bool:
        return self._invocation.spare_seconds(self._claims.config.min_remaining_seconds) < 0

    def _note_completions(self) -> None:
        for claim, error in self._committer.close().items():
            job = self._completing[claim]
            job.note_completion(claim, error)
            tell(job.outcome())
