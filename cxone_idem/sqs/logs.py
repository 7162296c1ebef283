"""Log lines of the messages of a batch, in words and as fields for machines. No payload.

The fields are in one object named `cxone_idem` on the log record, as `extra`: Lambda's own JSON
log format and Powertools' Logger both pass it on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.record import Origin
from cxone_idem.sqs.outcome import MessageStatus, Outcome
from cxone_idem.text import quoted, shortened

logger = logging.getLogger("cxone_idem")


def _name_the_library(record: logging.LogRecord) -> bool:
    """Begin each line with what says it: Lambda's text format drops the logger's name."""
    record.msg = f"{logger.name}: {record.msg}"
    return True


# Here and not in a formatter, which is the user's. Every module logs to this one logger.
logger.addFilter(_name_the_library)

FIELD = "cxone_idem"
"""The one name under which the fields are, so that none is in anyone's way."""

_DUPLICATE = " is a duplicate of %(key)s"
_LOG_LINES = {
    MessageStatus.COMPLETED: (logging.DEBUG, " ran, key %(key)s"),
    MessageStatus.ALREADY_DONE: (logging.INFO, f"{_DUPLICATE}, done already: %(cause)s"),
    MessageStatus.SAME_BATCH: (logging.INFO, f"{_DUPLICATE} in its own batch: %(cause)s"),
    MessageStatus.IN_PROGRESS: (logging.INFO, " comes back later: %(error)s"),
    MessageStatus.FINGERPRINT_MISMATCH: (logging.ERROR, " is no duplicate: %(error)s"),
    MessageStatus.ATTEMPTS_EXHAUSTED: (logging.ERROR, " is not run: %(error)s"),
    MessageStatus.SECOND_HANDLER: (logging.ERROR, " is not run: %(error)s"),
    MessageStatus.HANDLER_FAILED: (logging.ERROR, ", key %(key)s: process_event raised"),
    MessageStatus.KEY_MISSING: (logging.ERROR, " has no key: %(error)s"),
    MessageStatus.STORE_FAILED: (logging.ERROR, " was not claimed: %(error)s"),
    MessageStatus.CLAIM_LOST: (logging.ERROR, " ran, perhaps a second time: %(error)s"),
    MessageStatus.UNRECORDED: (logging.ERROR, " ran, but that is not recorded yet: %(error)s"),
}
"""The line of each status that has one: a batch that runs out of time has one line for all."""


def log_message(outcome: Outcome) -> None:
    """Write the line of one message, as soon as its status is known."""
    level, end = _LOG_LINES.get(outcome.status, (logging.NOTSET, ""))
    if not end or not logger.isEnabledFor(level):
        return
    text = f"message %(id)s{end}"
    said = {
        "id": quoted(outcome.message.id),
        "key": quoted(outcome.key),
        "cause": outcome.cause.value if outcome.cause else None,
        "error": outcome.error,
    }
    # The handler's own error alone comes with its traceback: it is the one to be fixed.
    failed = outcome.status is MessageStatus.HANDLER_FAILED
    traceback = outcome.error if failed else None
    logger.log(level, text, said, exc_info=traceback, extra={FIELD: fields(outcome)})


def log_end_of_batch(outcome: Outcome, error: BaseException) -> None:
    """Write the line of a message whose handler raised what ends the whole batch."""
    logger.error(
        "message %s, key %s: process_event raised %s, which ends the batch",
        quoted(outcome.message.id),
        quoted(outcome.key),
        type(error).__name__,
        extra={FIELD: {**fields(outcome), "error": type(error).__name__}},
    )


def log_no_time(not_started: int, of: int, left: str, min_remaining_seconds: float) -> None:
    """Write the one line of a batch for which there was too little time."""
    text = (
        "%d of %d messages were not started, as %s and CXONE_IDEM_MIN_REMAINING_SECONDS is %s:"
        " they come back; if that happens often, raise the function's time-out or make its batches"
        " smaller"
    )
    logger.warning(text, not_started, of, left, min_remaining_seconds)


def log_batch(outcomes: Sequence[Outcome]) -> None:
    """Write the line of a batch."""
    if not outcomes or not logger.isEnabledFor(logging.INFO):
        return
    statuses = dict(Counter(outcome.status.value for outcome in outcomes))
    causes = dict(Counter(outcome.cause.value for outcome in outcomes if outcome.cause))
    summary = {"batch": len(outcomes), "statuses": statuses, "causes": causes}
    logger.info("batch of %d: %s", len(outcomes), statuses, extra={FIELD: summary})


def log_duplicate(function: str, found: AlreadyDone) -> None:
    """Write the line of a duplicate that came without a batch."""
    evidence = _evidence(found, MessageStatus.ALREADY_DONE, found.record.origin)
    text = "%s: key %s is done already: %s"
    logger.info(text, function, quoted(found.key), found.cause.value, extra={FIELD: evidence})


def fields(outcome: Outcome) -> dict[str, Any]:
    """Return what the log says of a message, for machines; what is not known is left out."""
    error = type(outcome.error).__name__ if outcome.error else None
    more = {"message_id": outcome.message.id, "error": error}
    return _evidence(outcome, outcome.status, outcome.first, **more)


def _evidence(
    found: Outcome | AlreadyDone, status: MessageStatus, first: Origin | None, **more: str | None
) -> dict[str, Any]:
    """Return what is known, each text legible and short."""
    record = found.record
    firsts = asdict(first) if first else {}
    evidence = {
        "status": status.value,
        "cause": found.cause.value if found.cause else None,
        "key": found.key or None,
        **asdict(found.origin),
        **{f"first_{name}": value for name, value in firsts.items()},
        "first_done_at_ms": record.done_at_ms if record and first else None,
        "generation": record.generation if record else None,
        **more,
    }
    return {
        name: shortened(value) if isinstance(value, str) else value
        for name, value in evidence.items()
        if value is not None
    }
