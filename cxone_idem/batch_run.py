"""One batch on its way: claimed ahead in one request, run in order, completed in groups."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cxone_idem.committer import Committer
from cxone_idem.errors import ClaimLostError, IdemError, InProgressError, KeyMissingError
from cxone_idem.events import find_key, parse_envelope
from cxone_idem.fate import DELETED, Fate
from cxone_idem.invocation import Invocation, LambdaContext
from cxone_idem.outcome import AlreadyDone, Claimed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.claims import Claims
    from cxone_idem.sqs_message import Message

logger = logging.getLogger("cxone_idem")

# As many claims as go into one request (BatchExecuteStatement takes 25 statements).
_CHUNK = 25


class _Job:
    """A message, what has been read of it, and what has been found out about its key."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.envelope: dict[str, Any] = {}
        self.key = ""
        self.outcome: Claimed | AlreadyDone | IdemError | None = None
        self.fate: Fate | None = None


class BatchRun:
    """Settles the messages of one invocation. `run` does the work of one event."""

    def __init__(
        self,
        claims: Claims,
        run: Callable[[dict[str, Any]], None],
        context: LambdaContext | None,
        max_workers: int,
    ) -> None:
        self._claims = claims
        self._run = run
        self._context = context
        self._invocation = Invocation(context)
        self._max_workers = max_workers
        self._committer = Committer(claims)
        self._completing: dict[Claimed, _Job] = {}
        self._done_keys: set[str] = set()
        self._blocked_groups: set[str] = set()
        self._stopping = False
        self._last: _Job | None = None

    def settle(self, messages: Sequence[Message]) -> list[Fate]:
        """Bring every message to its end. Only BaseExceptions of the handler get out."""
        jobs: list[_Job] = []
        size = _CHUNK * self._max_workers
        try:
            for start in range(0, len(messages), size):
                chunk = [self._read(message) for message in messages[start : start + size]]
                jobs += chunk
                if self._max_workers == 1 and len(jobs) == len(messages):
                    self._last = jobs[-1]
                self._settle_chunk(chunk)
        finally:
            self._note_completions()
        return [job.fate or Fate.NO_TIME for job in jobs]

    def _read(self, message: Message) -> _Job:
        job = _Job(message)
        try:
            job.envelope = parse_envelope(message.body)
            if not self._claims.config.disabled:
                job.key = find_key(job.envelope, self._claims.config.key)
        except KeyMissingError as error:
            logger.error("message %s has no key: %s", message.id, error)
            job.fate = Fate.KEY_MISSING
        return job

    def _settle_chunk(self, jobs: list[_Job]) -> None:
        try:
            self._claim_ahead(jobs)
            if self._max_workers == 1:
                for job in jobs:
                    self._settle_one(job)
                return
            with ThreadPoolExecutor(self._max_workers) as pool:
                for _ in pool.map(self._settle_lane, _lanes(jobs)):
                    pass
        finally:
            self._give_back([job.outcome for job in jobs if isinstance(job.outcome, Claimed)])

    def _claim_ahead(self, jobs: list[_Job]) -> None:
        """Claim in one request what is sure to be wanted: the first message of each key."""
        if self._claims.config.disabled or self._out_of_time():
            return
        first: dict[str, _Job] = {}
        for job in jobs:
            blocked = job.message.group in self._blocked_groups
            if job.fate is None and not blocked and job.key not in self._done_keys:
                first.setdefault(job.key, job)
        jobs = list(first.values())
        for job, outcome in zip(jobs, self._claim(jobs), strict=True):
            job.outcome = outcome

    def _claim(self, jobs: list[_Job]) -> list[Claimed | AlreadyDone | IdemError]:
        wanted = [(job.key, job.message.origin(job.envelope, self._invocation)) for job in jobs]
        return self._claims.claim_all(wanted, self._context)

    def _settle_lane(self, lane: list[_Job]) -> None:
        for job in lane:
            self._settle_one(job)

    def _settle_one(self, job: _Job) -> None:
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

    def _fate(self, job: _Job) -> Fate:
        known = self._fate_without_asking(job)
        if known is not None:
            return known
        if self._claims.config.disabled:
            return Fate.UNPROTECTED if self._works(job) else Fate.HANDLER_FAILED
        outcome = self._outcome(job)
        if isinstance(outcome, (InProgressError, ClaimLostError)):
            logger.info("message %s comes back later: %s", job.message.id, outcome)
            return Fate.IN_PROGRESS
        if isinstance(outcome, IdemError):
            logger.error("message %s was not claimed: %s", job.message.id, outcome)
            return Fate.STORE_FAILED
        if isinstance(outcome, AlreadyDone):
            logger.info("message %s is a duplicate of %r, done already", job.message.id, job.key)
            self._done_keys.add(job.key)
            return Fate.ALREADY_DONE
        return self._run_claimed(job, outcome)

    def _fate_without_asking(self, job: _Job) -> Fate | None:
        if job.message.group in self._blocked_groups:
            return Fate.GROUP_BLOCKED
        if self._out_of_time():
            return Fate.NO_TIME
        return Fate.SAME_BATCH if job.key in self._done_keys else job.fate

    def _outcome(self, job: _Job) -> Claimed | AlreadyDone | IdemError:
        """Return what a claim says now: made ahead, or made only here for a key seen before."""
        outcome, job.outcome = job.outcome, None
        if outcome is None:
            (outcome,) = self._claim([job])
        elif isinstance(outcome, Claimed):
            try:
                outcome.freshen()
            except IdemError as error:
                self._give_back([outcome])
                return error
        return outcome

    def _run_claimed(self, job: _Job, claim: Claimed) -> Fate:
        try:
            worked = self._works(job)
        except BaseException:
            self._give_back([claim])
            raise
        if not worked:
            self._give_back([claim])
            return Fate.HANDLER_FAILED
        self._done_keys.add(job.key)
        self._completing[claim] = job
        self._committer.submit(claim, last=job is self._last)
        return Fate.COMPLETED

    def _works(self, job: _Job) -> bool:
        try:
            self._run(job.envelope)
        except Exception:
            logger.exception("message %s, key %r: process_event raised", job.message.id, job.key)
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
            if error:
                logger.warning("key %r was not released: %s", claim.key, error)

    def _note_completions(self) -> None:
        for claim, error in self._committer.close().items():
            job = self._completing[claim]
            if isinstance(error, ClaimLostError):
                logger.error("message %s ran, perhaps a second time: %s", job.message.id, error)
                job.fate = Fate.CLAIM_LOST
            elif error:
                logger.error(
                    "message %s ran, but that is not recorded yet: %s", job.message.id, error
                )
                job.fate = Fate.UNRECORDED


def _lanes(jobs: list[_Job]) -> list[list[_Job]]:
    """Return the messages that must not run side by side: of one FIFO group, or of one key."""
    lanes: dict[object, list[_Job]] = {}
    for job in jobs:
        name = job.key or job if job.message.group is None else ("group", job.message.group)
        lanes.setdefault(name, []).append(job)
    return list(lanes.values())
