"""Log lines of the messages of a batch, in words and as fields for machines. No payload.

The fields are in one object named `cxone_idem` on the log record, as `extra`: Lambda's own JSON
log format and Powertools' Logger both pass it on.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from cxone_idem.errors import quoted, shortened
from cxone_idem.fate import Fate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.already_done import AlreadyDone
    from cxone_idem.outcome import Outcome
    from cxone_idem.record import Origin

logger = logging.getLogger("cxone_idem")


def _name_the_library(record: logging.LogRecord) -> bool:
    """Begin each line with what says it: Lambda's text format drops the logger's name."""
    record.msg = f"{logger.name}: {record.msg}"
    return True


# Here and not in a formatter, which is the user's. Every module logs to this one logger.
logger.addFilter(_name_the_library)

FIELD = "cxone_idem"
"""The one name under which the fields are, so that none is in anyone's way."""

_SAYS = {
    Fate.COMPLETED: (logging.DEBUG, "message %s ran, key %s"),
    Fate.ALREADY_DONE: (logging.INFO, "message %s is a duplicate of %s, done already: %s"),
    Fate.SAME_BATCH: (logging.INFO, "message %s is a duplicate of %s in its own batch: %s"),
    Fate.IN_PROGRESS: (logging.INFO, "message %s comes back later: %s"),
    Fate.OTHER_CONTENT: (logging.ERROR, "message %s is no duplicate: %s"),
    Fate.ATTEMPTS_EXHAUSTED: (logging.ERROR, "message %s is not run: %s"),
    Fate.SECOND_HANDLER: (logging.ERROR, "message %s is not run: %s"),
    Fate.HANDLER_FAILED: (logging.ERROR, "message %s, key %s: process_event raised"),
    Fate.KEY_MISSING: (logging.ERROR, "message %s has no key: %s"),
    Fate.STORE_FAILED: (logging.ERROR, "message %s was not claimed: %s"),
    Fate.CLAIM_LOST: (logging.ERROR, "message %s ran, perhaps a second time: %s"),
    Fate.UNRECORDED: (logging.ERROR, "message %s ran, but that is not recorded yet: %s"),
}
"""The line of each fate that has one: a batch that runs out of time has one line for all."""


def tell(outcome: Outcome) -> None:
    """Write the line of one message, as soon as its fate is known."""
    fate, error = outcome.fate, outcome.error
    if fate not in _SAYS:
        return
    level, text = _SAYS[fate]
    if not logger.isEnabledFor(level):
        return
    said: list[object] = [quoted(outcome.message.id)]
    if fate in {Fate.COMPLETED, Fate.ALREADY_DONE, Fate.SAME_BATCH, Fate.HANDLER_FAILED}:
        said.append(quoted(outcome.key))
    elif error is not None:
        said.append(error)
    if fate in {Fate.ALREADY_DONE, Fate.SAME_BATCH} and outcome.cause:
        said.append(outcome.cause.value)
    # The handler's own error alone comes with its traceback: it is the one to be fixed.
    traceback = error if fate is Fate.HANDLER_FAILED else None
    logger.log(level, text, *said, exc_info=traceback, extra={FIELD: fields(outcome)})


def tell_end(outcome: Outcome, error: BaseException) -> None:
    """Write the line of a message whose handler raised what ends the whole batch."""
    logger.error(
        "message %s, key %s: process_event raised %s, which ends the batch",
        quoted(outcome.message.id),
        quoted(outcome.key),
        type(error).__name__,
        extra={FIELD: {**fields(outcome), "error": type(error).__name__}},
    )


def tell_no_time(not_started: int, of: int, left: str, min_remaining_seconds: float) -> None:
    """Write the one line of a batch for which there was too little time."""
    logger.warning(
        "%d of %d messages were not started, as %s and CXONE_IDEM_MIN_REMAINING_SECONDS is %s:"
        " they come back; if that happens often, raise the function's time-out or make its batches"
        " smaller",
        not_started,
        of,
        left,
        min_remaining_seconds,
    )


def tell_all(outcomes: Sequence[Outcome]) -> None:
    """Write the line of a batch."""
    fates = dict(Counter(outcome.fate.value for outcome in outcomes))
    causes = dict(Counter(outcome.cause.value for outcome in outcomes if outcome.cause))
    summary = {"batch": len(outcomes), "fates": fates, "causes": causes}
    logger.info("batch of %d: %s", len(outcomes), fates, extra={FIELD: summary})


def tell_duplicate(function: str, found: AlreadyDone) -> None:
    """Write the line of a duplicate that came without a batch."""
    evidence = {
        "fate": Fate.ALREADY_DONE.value,
        "cause": found.cause.value,
        "key": found.key,
        **_of_origin("", found.origin),
        **_of_origin("first_", found.record.origin),
        "first_done_at_ms": found.record.done_at_ms,
        "generation": found.record.generation,
    }
    text = "%s: key %s is done already: %s"
    extra = {FIELD: _known(evidence)}
    logger.info(text, function, quoted(found.key), found.cause.value, extra=extra)


def fields(outcome: Outcome) -> dict[str, Any]:
    """Return what the log says of a message, for machines; what is not known is left out."""
    record, cause = outcome.record, outcome.cause
    evidence = {
        "fate": outcome.fate.value,
        "cause": cause.value if cause else None,
        "key": outcome.key or None,
        **_of_origin("", outcome.origin),
        "message_id": outcome.message.id,
        **(_of_origin("first_", outcome.first) if outcome.first else {}),
        "first_done_at_ms": record.done_at_ms if record and outcome.first else None,
        "generation": record.generation if record else None,
        "error": type(outcome.error).__name__ if outcome.error else None,
    }
    return _known(evidence)


def _known(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return what is known, each text legible and short."""
    return {
        name: shortened(value) if isinstance(value, str) else value
        for name, value in evidence.items()
        if value is not None
    }


def _of_origin(prefix: str, origin: Origin) -> dict[str, Any]:
    return {
        f"{prefix}event_id": origin.event_id,
        f"{prefix}message_id": origin.message_id,
        f"{prefix}receive_count": origin.receive_count,
        f"{prefix}sent_at_ms": origin.sent_at_ms,
        f"{prefix}replay_name": origin.replay_name,
        f"{prefix}request_id": origin.request_id,
    }
