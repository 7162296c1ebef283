"""One invocation's batch: claimed ahead in one request, run in order, completed in groups."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.claims.claim import Claimed, log_not_released, under
from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.manager import ClaimManager, ClaimOutcome
from cxone_idem.errors import IdemError
from cxone_idem.events.handler import EventHandler
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import Record, State
from cxone_idem.sqs.committer import GroupCommitter
from cxone_idem.sqs.item import BatchItem, serial_groups, status_of_refusal
from cxone_idem.sqs.logs import log_message, log_no_time
from cxone_idem.sqs.message import Message
from cxone_idem.sqs.outcome import ACKNOWLEDGED, MessageStatus, Outcome
from cxone_idem.sqs.tracebacks import let_go
from cxone_idem.sqs.workers import Workers, started
from cxone_idem.text import quoted

logger = logging.getLogger("cxone_idem")

# As many claims as go into one request (BatchExecuteStatement takes 25 statements).
_CHUNK = 25
# The handlers of a chunk that one worker runs, and the claims of the next are made meanwhile: few
# enough to begin soon, enough for workers that end at different times to wait little for the last.
_CHUNK_ROUNDS = 5


class BatchRun:
    """Settles the messages of one invocation."""

    def __init__(
        self,
        claims: ClaimManager,
        handler: EventHandler,
        invocation: Invocation,
        max_workers: int,
    ) -> None:
        self._claims = claims
        self._handler = handler
        self._invocation = invocation
        self._max_workers = max_workers
        self._committer = GroupCommitter(claims, invocation)
        self._completing: dict[HeldClaim, BatchItem] = {}
        self._prefetched: dict[BatchItem, ClaimOutcome] = {}
        self._asked: set[str] = set()
        """The keys that were claimed ahead, or are being."""
        self._done: dict[str, Record] = {}
        """The record of each key whose work is done, as far as this batch knows."""
        self._blocked_groups: set[str | None] = set()
        self._stopping = False
        self._left_at_end = ""
        """The time that was left when it turned out to be too little."""
        self._last: BatchItem | None = None

    def settle(self, messages: Sequence[Message]) -> list[Outcome]:
        """Bring every message to its end. Only BaseExceptions of the handler get out."""
        items: list[BatchItem] = []
        size = _CHUNK * -(-self._max_workers * _CHUNK_ROUNDS // _CHUNK)
        try:
            chunk = self._read(messages[:size])
            self._prefetch(chunk)
            for start in range(size, len(messages) + size, size):
                items += chunk
                following = self._read(messages[start : start + size])
                # Claimed while the handlers of this chunk run, so that they wait for no request.
                ahead = started(partial(self._prefetch, following)) if following else None
                try:
                    self._settle_chunk(chunk, last=not following)
                finally:
                    if ahead:
                        ahead.result()
                chunk = following
        except BaseException:
            for item in items:
                let_go(item.error)
            raise
        finally:
            self._release_unstarted([*self._prefetched])
            self._note_completions()
        self._log_no_time(items)
        return [item.outcome() for item in items]

    def _read(self, messages: Sequence[Message]) -> list[BatchItem]:
        config, decode = self._claims.config, self._handler.decode
        return [BatchItem(one, config, self._invocation, decode) for one in messages]

    def _settle_chunk(self, chunk: list[BatchItem], *, last: bool) -> None:
        if self._max_workers == 1:
            self._last = chunk[-1] if last else None
            self._settle_serially(chunk)
        else:
            Workers(self._settle_serially, serial_groups(chunk)).run(self._max_workers)
        self._release_unstarted(chunk)

    def _prefetch(self, chunk: list[BatchItem]) -> None:
        """Claim the keys that are sure to be wanted: of the first message of each."""
        if not chunk or self._claims.config.disabled or self._out_of_time():
            return
        first: dict[str, BatchItem] = {}
        for item in chunk:
            blocked = item.message.group in self._blocked_groups
            if item.status is None and not blocked and item.key not in self._asked:
                first.setdefault(item.key, item)
        self._asked |= set(first)
        items = [*first.values()]
        outcomes = self._claims.claim_all([item.request for item in items], self._invocation)
        self._prefetched.update(zip(items, outcomes, strict=True))

    def _release_unstarted(self, items: list[BatchItem]) -> None:
        unused = [self._prefetched.pop(item, None) for item in items]
        self._release([one for one in unused if isinstance(one, HeldClaim)], counts=False)

    def _settle_serially(self, items: list[BatchItem]) -> None:
        for item in items:
            if self._stopping:
                return
            try:
                item.status = self._status(item)
            except BaseException:
                self._stopping = True
                raise
            if item.status is not MessageStatus.COMPLETED:
                log_message(item.outcome())
            item.envelope = {}
            if item.message.group is not None and item.status not in ACKNOWLEDGED:
                self._blocked_groups.add(item.message.group)

    def _status(self, item: BatchItem) -> MessageStatus:
        known = self._status_without_claim(item)
        if known is not None:
            return known
        if self._claims.config.disabled:
            with under(None):
                worked = item.works(self._handler)
            return MessageStatus.UNPROTECTED if worked else MessageStatus.HANDLER_FAILED
        outcome = self._claim(item)
        if isinstance(outcome, IdemError):
            item.note(outcome)
            return status_of_refusal(outcome)
        if isinstance(outcome, AlreadyDone):
            item.note(outcome)
            return self._status_of_done(item, outcome)
        if self._out_of_time():  # asked last of all, as the claim may have taken long
            self._release([outcome], counts=False)
            return MessageStatus.NO_TIME
        item.note(outcome)
        return self._run_claimed(item, outcome)

    def _status_without_claim(self, item: BatchItem) -> MessageStatus | None:
        if self._out_of_time():
            return MessageStatus.NO_TIME
        if item.message.group in self._blocked_groups:
            return MessageStatus.GROUP_BLOCKED
        if item.status is None and item.key in self._done:
            return item.status_after(self._done[item.key])
        return item.status

    def _claim(self, item: BatchItem) -> ClaimOutcome:
        """Return the outcome of a claim: made ahead, or only now for a key that came before."""
        outcome = self._prefetched.pop(item, None)
        if outcome is None:
            (outcome,) = self._claims.claim_all([item.request], self._invocation)
        elif isinstance(outcome, HeldClaim):
            try:
                self._claims.renew_if_stale(outcome)
            except IdemError as error:
                self._release([outcome], counts=False)
                return error
        return outcome

    def _status_of_done(self, item: BatchItem, done: AlreadyDone) -> MessageStatus:
        try:
            self._claims.key_owners.check(item.key, self._handler.name)
        except IdemError as error:
            item.error = error
            return MessageStatus.SECOND_HANDLER
        self._done.setdefault(item.key, done.record)
        return MessageStatus.ALREADY_DONE

    def _run_claimed(self, item: BatchItem, held: HeldClaim) -> MessageStatus:
        try:
            with under(Claimed(held, self._claims)):
                worked = item.works(self._handler)
        except BaseException:
            self._release([held], counts=True)
            raise
        if not worked:
            self._release([held], counts=True)
            if held.record.state is not State.DONE:
                return MessageStatus.HANDLER_FAILED
            logger.info(
                "message %s is done: process_event raised, but its transaction had committed",
                quoted(item.message.id),
                exc_info=item.error,
            )
        self._claims.key_owners.note(item.key, self._handler.name)
        self._done[item.key] = held.record
        self._completing[held] = item
        self._committer.submit(held, last=item is self._last)
        return MessageStatus.COMPLETED

    def _release(self, claims: list[HeldClaim], *, counts: bool) -> None:
        """Release claims; one that cannot be released ends with its lease."""
        if claims:
            # Passed on and not kept here, where the frames of an error would keep it alive.
            _log_and_let_go(claims, self._claims.release_all(claims, counts=counts))

    def _out_of_time(self) -> bool:
        if self._invocation.spare_seconds(self._claims.config.min_remaining_seconds) >= 0:
            return False
        self._left_at_end = self._left_at_end or self._invocation.left()
        return True

    def _log_no_time(self, items: list[BatchItem]) -> None:
        not_started = sum(item.status is MessageStatus.NO_TIME for item in items)
        if not_started and self._left_at_end:
            min_remaining_seconds = self._claims.config.min_remaining_seconds
            log_no_time(not_started, len(items), self._left_at_end, min_remaining_seconds)

    def _note_completions(self) -> None:
        for held, error in self._committer.close().items():
            item = self._completing[held]
            item.note_completion(held.record, error)
            log_message(item.outcome())


def _log_and_let_go(claims: list[HeldClaim], errors: list[IdemError | None]) -> None:
    log_not_released(claims, errors)
    for error in errors:
        let_go(error)
