"""Errors: one class for each thing that a caller can do about it."""

from __future__ import annotations

from cxone_idem.cause import Cause, find_cause
from cxone_idem.record import Origin, Record
from cxone_idem.text import counted, kind_of, quoted


def require(holds: object, expected: str, value: object, fix: str) -> None:
    """Raise `TypeError` unless an argument is what was expected; its content is not shown."""
    if not holds:
        message = f"{expected}, this is {kind_of(value)}; retrying does not help: {fix}"
        raise TypeError(message)


class IdemError(Exception):
    """Root of every error this library raises."""


class ConfigError(IdemError):
    """A setting cannot be used. Retrying never helps: correct every setting the message lists.

    `mistakes` holds one sentence for each wrong setting, so that all can be fixed in one go.
    """

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes

    def __str__(self) -> str:
        mistakes = "; ".join(self.mistakes)
        what = "it" if len(self.mistakes) == 1 else "all of them"
        return (
            f"cxone_idem cannot be configured: {mistakes}; retrying does not help: correct {what}"
        )


class KeyMissingError(IdemError):
    """An event yields no usable key. Retrying never helps: fix the producer or `CXONE_IDEM_KEY`.

    In a batch the message fails, so it ends in the dead-letter queue and is not lost.
    """


class InProgressError(IdemError):
    """Another worker holds the key inside its lease. Retrying helps, after `retry_after_seconds`.

    Do not drop the event: if that worker dies, this delivery is the one that gets the work.
    `record` says whose delivery that worker has, and since when; `cause` why this one came.
    """

    def __init__(
        self,
        key: str,
        retry_after_seconds: float,
        record: Record,
        origin: Origin | None = None,
        held_here: bool = False,  # noqa: FBT001, FBT002 -- positional, so that the error survives pickling
    ) -> None:
        super().__init__(key, retry_after_seconds, record, origin, held_here)
        self.key = key
        self.retry_after_seconds = retry_after_seconds
        self.record = record
        self.origin = origin
        self.held_here = held_here
        """The claim is one of this same process."""

    @property
    def cause(self) -> Cause:
        """The reason why this delivery came while another has the key."""
        return find_cause(self.record.origin, self.origin or Origin())

    def __str__(self) -> str:
        if self.held_here:
            return (
                f"key {quoted(self.key)} is in progress in this same process, which claimed it"
                " before; retrying helps once that claim is completed or released: claim a key once"
                " for each delivery (process_batch and @once claim by themselves), or give the two"
                " pieces of work keys of their own"
            )
        return (
            f"key {quoted(self.key)} is in progress in another worker, whose lease ends in at most"
            f" {self.retry_after_seconds:.1f} s: leave the event in its queue and let it come back"
        )


class FingerprintMismatchError(IdemError):
    """The key is done or in progress for an event of other content. Retrying never helps.

    Two events share one key, so the key is too coarse: dropping this one would lose it. In a batch
    the message fails, and ends in the dead-letter queue: change `CXONE_IDEM_KEY`, then redrive.
    `record` says whose delivery has the key, and `origin` whose this one is.
    """

    def __init__(self, key: str, record: Record, origin: Origin) -> None:
        super().__init__(key, record, origin)
        self.key = key
        self.record = record
        self.origin = origin

    @property
    def _event(self) -> str:
        event_id = self.record.origin.event_id
        return "unknown" if event_id is None else quoted(event_id)

    def __str__(self) -> str:
        return (
            f"key {quoted(self.key)} is {self.record.state.value} for an event of other content"
            f" (fingerprint {self.record.fingerprint}, event {self._event}); retrying does not"
            " help, as two events share one key: change CXONE_IDEM_KEY so that they have different"
            " keys, or CXONE_IDEM_FINGERPRINT if they are one event"
        )


class AttemptsExhaustedError(IdemError):
    """The key was tried as often as is allowed, and never completed. Retrying never helps.

    In a batch the message fails without being run, so it ends in the dead-letter queue. `attempts`
    counts the claims under which work was begun; `record` says whose delivery the last one had.
    """

    def __init__(self, key: str, limit: int, record: Record) -> None:
        super().__init__(key, limit, record)
        self.key = key
        self.limit = limit
        self.record = record

    @property
    def attempts(self) -> int:
        """The number of times the work was begun."""
        return self.record.generation

    def __str__(self) -> str:
        return (
            f"key {quoted(self.key)} was tried {counted(self.attempts, 'time')} and never"
            f" completed, and CXONE_IDEM_MAX_ATTEMPTS is {self.limit}; retrying does not help, as"
            " the work is not begun again: fix what makes it fail, raise the limit, and redrive its"
            " dead letter"
        )


class ClaimLostError(IdemError):
    """The claim is not (or no longer) this worker's; nothing was changed. Retrying never helps.

    Raised when the lease ran out and another worker took the key over, when the record is gone,
    or when this process never held the key. If the side effect was already made, it may be made
    a second time by the newer owner: longer leases (or `extend`) make that rare.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"no claim on key {quoted(self.key)}: {self.reason}; retrying does not help"


class ResultMissingError(IdemError):
    """The work on the key is done, but what it returned is not stored. Retrying never helps.

    Raised where a duplicate asks for the first run's result, if that run was completed without one
    (`store_result` was off, a batch did the work) or with one that could not be stored: that run
    logged an error saying why. The work is not to be done again.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return (
            f"the work on key {quoted(self.key)} is done, but its result is not stored; retrying"
            " does not help: look for an error that the first run logged, or complete with a result"
        )


PROGRAMMING_ERRORS = (AttributeError, TypeError)
"""The errors of code that takes a store or a client for something else: they come again."""


class StoreError(IdemError):
    """The store refused or never answered. The message says whether retrying helps.

    `code` and `request_id` are AWS's own (None if it never answered). `outcome_unknown` is True
    if the write may have happened all the same. `retryable` is False if the same request would
    fail again until somebody changes something: a missing table, a missing permission. `attempts`
    says how often it was sent.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- positional, so that the error survives pickling between processes
        self,
        problem: str,
        table: str,
        operation: str,
        code: str | None = None,
        request_id: str | None = None,
        outcome_unknown: bool = False,  # noqa: FBT001, FBT002 -- as above
        retryable: bool = True,  # noqa: FBT001, FBT002 -- as above
        attempts: int = 1,
    ) -> None:
        super().__init__(
            problem, table, operation, code, request_id, outcome_unknown, retryable, attempts
        )
        self.problem = problem
        self.table = table
        self.operation = operation
        self.code = code
        self.request_id = request_id
        self.outcome_unknown = outcome_unknown
        self.retryable = retryable
        self.attempts = attempts

    def __str__(self) -> str:
        evidence = self.operation
        if self.table:
            evidence += f" on table {self.table!r}"
        if self.code:
            evidence += f", code {self.code}"
        if self.request_id:
            evidence += f", request id {self.request_id}"
        if self.attempts > 1:
            evidence += f", {counted(self.attempts, 'attempt')}"
        return f"{self.problem} ({evidence})"


class QueueError(IdemError):
    """SQS refused or never answered. The message says whether retrying helps.

    `code` is AWS's own (None if it never answered). No message is lost by it: what was not deleted
    comes back, and is dropped then if its work is done.
    """

    def __init__(self, problem: str, queue: str, operation: str, code: str | None = None) -> None:
        super().__init__(problem, queue, operation, code)
        self.problem = problem
        self.queue = queue
        self.operation = operation
        self.code = code

    def __str__(self) -> str:
        evidence = f"{self.operation} on queue {self.queue!r}"
        if self.code:
            evidence += f", code {self.code}"
        return f"{self.problem} ({evidence})"
