"""A batch item: a message on its way through a batch, its event, its key, and its status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.manager import ClaimOutcome
from cxone_idem.config import Config
from cxone_idem.errors import (
    AttemptsExhaustedError,
    ClaimLostError,
    FingerprintMismatchError,
    IdemError,
    InProgressError,
    KeyMissingError,
)
from cxone_idem.protocol.claim_attempt import ClaimRequest
from cxone_idem.protocol.decisions import has_other_fingerprint
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import Origin, Record
from cxone_idem.sqs.decoding import Decode, find_ids, read_event
from cxone_idem.sqs.logs import log_end_of_batch
from cxone_idem.sqs.message import RUNNING, Message
from cxone_idem.sqs.outcome import MessageStatus, Outcome


class BatchStoppedError(BaseException):
    """Ends a batch whose task was cancelled; no error of a handler, so it stops all of them."""


class BatchItem:
    """A message, its event and key, and how it ended."""

    def __init__(
        self,
        message: Message,
        config: Config,
        invocation: Invocation,
        decode: Decode | None = None,
    ) -> None:
        self.message = message
        self.envelope: dict[str, Any] = {}
        self.key = ""
        self.fingerprint: str | None = None
        self.status: MessageStatus | None = None
        self.record: Record | None = None
        self.first: Origin | None = None
        self.error: BaseException | None = None
        try:
            self.envelope, exact = read_event(message.record, decode)
            if not config.disabled:
                self.key, self.fingerprint = find_ids(exact, message.record, config)
        except KeyMissingError as error:
            self.status = MessageStatus.KEY_MISSING
            self.error = error
        self.origin = message.origin(self.envelope, invocation)

    @property
    def request(self) -> ClaimRequest:
        """The claim to make for the message."""
        return ClaimRequest(self.key, self.origin, self.fingerprint)

    def note(self, found: ClaimOutcome) -> None:
        """Keep the outcome of a claim as evidence."""
        if isinstance(found, IdemError):
            self.error = found
        if isinstance(
            found, (AlreadyDone, AttemptsExhaustedError, FingerprintMismatchError, InProgressError)
        ):
            self.record = found.record
            self.first = found.record.origin
        elif isinstance(found, HeldClaim):
            self.record = found.record

    def status_after(self, done: Record) -> MessageStatus:
        """Return the status now that an earlier message of the batch has the key done."""
        if has_other_fingerprint(self.fingerprint, done):
            self.note(FingerprintMismatchError(self.key, done, self.origin))
            return MessageStatus.FINGERPRINT_MISMATCH
        self.record, self.first = done, done.origin
        return MessageStatus.SAME_BATCH

    def works(self, run: Callable[[dict[str, Any]], None]) -> bool:
        """Have the handler do the work of the event; return whether it did.

        Raises what ends the process or the batch, once the log has named the message.
        """
        token = RUNNING.set(self.message)
        try:
            run(self.envelope)
        except BaseException as error:
            if _is_the_messages_own(error):  # the one boundary of a message
                self.error = error
                return False
            if not isinstance(error, BatchStoppedError):
                self.status = MessageStatus.HANDLER_FAILED
                log_end_of_batch(self.outcome(), error)
            raise
        finally:
            RUNNING.reset(token)
        return True

    def note_completion(self, record: Record, error: IdemError | None) -> None:
        """Keep how the completion of the work ended."""
        self.record, self.error = record, error
        if error:
            lost = isinstance(error, ClaimLostError)
            self.status = MessageStatus.CLAIM_LOST if lost else MessageStatus.UNRECORDED

    def outcome(self) -> Outcome:
        """Return the outcome of the message: not started, unless its status says otherwise."""
        return Outcome(
            message=self.message,
            status=self.status or MessageStatus.NO_TIME,
            key=self.key,
            origin=self.origin,
            record=self.record,
            first=self.first,
            fingerprint=self.fingerprint,
            error=self.error,
        )


def _is_the_messages_own(error: BaseException) -> bool:
    """Return whether an error out of a handler is the failure of its message, and no more."""
    if isinstance(error, (Exception, GeneratorExit)):
        return True
    # Not imported here: where nobody did, nobody can raise its error.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


_REFUSALS = {
    InProgressError: MessageStatus.IN_PROGRESS,
    ClaimLostError: MessageStatus.IN_PROGRESS,
    FingerprintMismatchError: MessageStatus.FINGERPRINT_MISMATCH,
    AttemptsExhaustedError: MessageStatus.ATTEMPTS_EXHAUSTED,
}


def status_of_refusal(error: IdemError) -> MessageStatus:
    """Return the status of a message whose key could not be claimed."""
    return _REFUSALS.get(type(error), MessageStatus.STORE_FAILED)


def serial_groups(items: list[BatchItem]) -> list[list[BatchItem]]:
    """Return the items that must not run side by side: of one FIFO group, or of one key."""
    groups: dict[object, list[BatchItem]] = {}
    for item in items:
        group = item.message.group
        groups.setdefault(item.key or item if group is None else ("group", group), []).append(item)
    return list(groups.values())
