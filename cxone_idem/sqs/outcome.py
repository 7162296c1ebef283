"""The outcome of a message: its status, and the evidence for logs, metrics and visibility."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from cxone_idem.cause import Cause, find_cause
from cxone_idem.record import Origin, Record
from cxone_idem.sqs.message import Message


class MessageStatus(Enum):
    """The end of a message. Each counts as failed unless it is one of `ACKNOWLEDGED`."""

    COMPLETED = "completed"
    ALREADY_DONE = "already_done"
    SAME_BATCH = "same_batch"
    CLAIM_LOST = "claim_lost"
    UNRECORDED = "unrecorded"
    UNPROTECTED = "unprotected"
    IN_PROGRESS = "in_progress"
    HANDLER_FAILED = "handler_failed"
    SECOND_HANDLER = "second_handler"
    KEY_MISSING = "key_missing"
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    STORE_FAILED = "store_failed"
    NO_TIME = "no_time"
    GROUP_BLOCKED = "group_blocked"


ACKNOWLEDGED = frozenset(
    {
        MessageStatus.COMPLETED,
        MessageStatus.ALREADY_DONE,
        MessageStatus.SAME_BATCH,
        # The handler returned: the effect is made, and running it again is what we are here to
        # prevent, whatever became of the record.
        MessageStatus.CLAIM_LOST,
        MessageStatus.UNRECORDED,
        MessageStatus.UNPROTECTED,
    }
)
"""The statuses with which SQS deletes the message; with any other it comes back."""

_TAKEN = frozenset(
    {MessageStatus.ALREADY_DONE, MessageStatus.SAME_BATCH, MessageStatus.IN_PROGRESS}
)


class Outcome(NamedTuple):
    """The status of a message, and the evidence."""

    message: Message
    """The message that ended."""
    status: MessageStatus
    """The way it ended."""
    key: str
    """Empty if the event yields none."""
    origin: Origin
    """The delivery that this message is."""
    record: Record | None = None
    """The record of our own claim; or else the one that was in the way, if there was one."""
    first: Origin | None = None
    """The delivery that had the key before this one; None if this one is the first."""
    fingerprint: str | None = None
    """A hash of the content that all events of the key share."""
    error: BaseException | None = None
    """The error, if there is one: the handler's own error, or one of this library's."""

    @property
    def cause(self) -> Cause | None:
        """The reason why the message came although its key was taken; None if it was not."""
        if self.status is MessageStatus.FINGERPRINT_MISMATCH:
            return Cause.NOT_A_DUPLICATE
        if self.status not in _TAKEN:
            return None
        origin = self.origin
        if self.status is MessageStatus.SAME_BATCH:
            # Messages of one batch share their invocation, which says nothing then.
            origin = replace(origin, request_id=None)
        return find_cause(self.first or Origin(), origin)
