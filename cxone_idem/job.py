"""A message on its way through a batch: what has been read of it and found out about its key."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cxone_idem.acquisition import Wanted
from cxone_idem.already_done import AlreadyDone
from cxone_idem.claimed import Claimed
from cxone_idem.errors import (
    AttemptsExhaustedError,
    ClaimLostError,
    IdemError,
    InProgressError,
    KeyMissingError,
    OtherContentError,
)
from cxone_idem.events import find_fingerprint, find_key, parse_envelope, parse_exactly
from cxone_idem.fate import Fate
from cxone_idem.outcome import Outcome
from cxone_idem.outcome_log import tell_end
from cxone_idem.protocol import is_other_content

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.config import Config
    from cxone_idem.invocation import Invocation
    from cxone_idem.record import Origin, Record
    from cxone_idem.sqs_message import Message


class BatchStoppedError(BaseException):
    """Ends a batch whose task was cancelled; no error of a handler, so it stops all of them."""


class Job:
    """A message, its event and key, and what became of them."""

    def __init__(self, message: Message, config: Config, invocation: Invocation) -> None:
        self.message = message
        self.envelope: dict[str, Any] = {}
        self.key = ""
        self.fingerprint: str | None = None
        self.fate: Fate | None = None
        self.record: Record | None = None
        self.first: Origin | None = None
        self.error: BaseException | None = None
        try:
            self.envelope = parse_envelope(message.body)
            if not config.disabled:
                exact = parse_exactly(message.body)
                self.key = find_key(exact, config.key)
                self.fingerprint = find_fingerprint(exact, config.fingerprint)
        except KeyMissingError as error:
            self.fate = Fate.KEY_MISSING
            self.error = error
        self.origin = message.origin(self.envelope, invocation)

    @property
    def wanted(self) -> Wanted:
        """What is to be claimed for the message."""
        return Wanted(self.key, self.origin, self.fingerprint)

    def note(self, found: Claimed | AlreadyDone | IdemError) -> None:
        """Keep what a claim found out, as evidence."""
        if isinstance(found, IdemError):
            self.error = found
        if isinstance(
            found, (AlreadyDone, AttemptsExhaustedError, InProgressError, OtherContentError)
        ):
            self.record = found.record
            self.first = found.record.origin
        elif isinstance(found, Claimed):
            self.record = found.record

    def fate_after(self, done: Record) -> Fate:
        """Say what becomes of the message now that its batch has seen its key done."""
        if is_other_content(self.fingerprint, done):
            self.note(OtherContentError(self.key, done, self.origin))
            return Fate.OTHER_CONTENT
        self.record, self.first = done, done.origin
        return Fate.SAME_BATCH

    def works(self, run: Callable[[dict[str, Any]], None]) -> bool:
        """Have the handler do the work of the event; tell whether it returned.

        What ends the process or the batch is raised, once the log has named the message.
        """
        try:
            run(self.envelope)
        except BaseException as error:
            if _is_the_messages_own(error):  # the one boundary of a message
                self.error = error
                return False
            if not isinstance(error, BatchStoppedError):
                self.fate = Fate.HANDLER_FAILED
                tell_end(self.outcome(), error)
            raise
        return True

    def note_completion(self, claim: Claimed, error: IdemError | None) -> None:
        """Keep how the completion of the work ended."""
        self.record, self.error = claim.record, error
        if error:
            lost = isinstance(error, ClaimLostError)
            self.fate = Fate.CLAIM_LOST if lost else Fate.UNRECORDED

    @property
    def retry_after_seconds(self) -> float:
        """Until when the lease of another worker may last, if one has the key."""
        return self.error.retry_after_seconds if isinstance(self.error, InProgressError) else 0

    def ask_again(self) -> None:
        """Forget that another worker had the key, as that may have changed."""
        self.fate = self.error = None

    def give_up(self) -> None:
        """Wait no longer; what stood behind a message that was not done is not to be done."""
        self.fate = self.fate if self.fate is Fate.IN_PROGRESS else Fate.GROUP_BLOCKED
        self.envelope = {}

    def outcome(self) -> Outcome:
        """Return what became of the message: not started, unless a fate says otherwise."""
        return Outcome(
            message=self.message,
            fate=self.fate or Fate.NO_TIME,
            key=self.key,
            origin=self.origin,
            record=self.record,
            first=self.first,
            fingerprint=self.fingerprint,
            error=self.error,
        )


def _is_the_messages_own(error: BaseException) -> bool:
    """Tell whether an error out of a handler is the failure of its message, and no more."""
    if isinstance(error, (Exception, GeneratorExit)):
        return True
    # Not imported here: where nobody did, nobody can raise its error.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def refusal(error: IdemError) -> Fate:
    """Return what becomes of a message whose key could not be claimed."""
    if isinstance(error, (InProgressError, ClaimLostError)):
        return Fate.IN_PROGRESS
    if isinstance(error, OtherContentError):
        return Fate.OTHER_CONTENT
    if isinstance(error, AttemptsExhaustedError):
        return Fate.ATTEMPTS_EXHAUSTED
    return Fate.STORE_FAILED


def lanes(jobs: list[Job]) -> list[list[Job]]:
    """Return the messages that must not run side by side: of one FIFO group, or of one key."""
    lanes: dict[object, list[Job]] = {}
    for job in jobs:
        name = job.key or job if job.message.group is None else ("group", job.message.group)
        lanes.setdefault(name, []).append(job)
    return list(lanes.values())
