"""The cause of a duplicate, by the origins of two deliveries, and what to do about it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from cxone_idem.record import Origin

if TYPE_CHECKING:
    from typing_extensions import Self

REDRIVE_AFTER_MS = 15 * 60 * 1000
"""From this far apart, two messages of one event are taken for a dead-letter redrive.

No message says that it was redriven. Where AWS's advice is followed, a function of 30 s gives
a message up after 5 receives of 6 x 30 s ("Creating and configuring an SQS event source mapping"):
900 s. EventBridge's own retries begin within seconds, but may go on for 24 h, so a late one of
theirs is taken for a redrive, and a redrive out of a faster queue for one of theirs.
"""


class Cause(Enum):
    """The reason why a delivery came although its key was taken."""

    evidence: str
    """The evidence that it is inferred from."""
    advice: str
    """The thing to do about it."""

    SQS_REDELIVERED = (
        "sqs_redelivered",
        "same SQS message id, other receive count (or one of the counts is not known)",
        "normal after a failure; else raise the visibility timeout to 6 times the function's own",
    )
    SQS_DELIVERED_TWICE = (
        "sqs_delivered_twice",
        "same SQS message id, same receive count",
        "nothing: standard queues may deliver copies",
    )
    EVENTBRIDGE_DELIVERED_TWICE = (
        "eventbridge_delivered_twice",
        "same EventBridge id, other SQS message, sent less than 15 min apart",
        "look for two rules or targets that match it, and narrow one; else EventBridge retried",
    )
    DEAD_LETTER_REDRIVE = (
        "dead_letter_redrive",
        "same EventBridge id, other SQS message, sent 15 min apart or more (inferred)",
        "nothing if somebody redrove the queue; else EventBridge retried late",
    )
    CXONE_EMITTED_AGAIN = (
        "cxone_emitted_again",
        "same key, other EventBridge id: the producer called PutEvents again",
        "open a ticket with NICE with both event ids; if they are two real events, change the key",
    )
    ARCHIVE_REPLAY = (
        "archive_replay",
        "only one of the two has this `replay-name`",
        "nothing: a replay leaves alone what is done",
    )
    OWN_RETRY = (
        "own_retry",
        "same Lambda request id: Lambda retried the invocation, or code claimed twice",
        "look why the first attempt failed; claim once per delivery",
    )
    NOT_A_DUPLICATE = (
        "not_a_duplicate",
        "same key, other content by `CXONE_IDEM_FINGERPRINT`; the message fails",
        "change `CXONE_IDEM_KEY` so that the two differ, then redrive the dead-letter queue",
    )
    UNKNOWN = (
        "unknown",
        "the record has no origin, as those of check-then-insert code, or no id to compare",
        "pass `origin` to `claim`; older records end with their TTL",
    )

    def __new__(cls, value: str, evidence: str, advice: str) -> Self:
        """Make a member whose value is its name in logs, metrics and on the command line."""
        cause = object.__new__(cls)
        cause._value_ = value
        cause.evidence = evidence
        cause.advice = advice
        return cause

    @property
    def is_duplicate(self) -> bool:
        """True if what came was a duplicate, and was dropped rightly."""
        return self is not Cause.NOT_A_DUPLICATE


def find_cause(first: Origin, origin: Origin) -> Cause:
    """Return why the delivery of `origin` came, given whose delivery had its key first.

    A pure reading of ids: exact where an id is the same, an inference where the members of `Cause`
    say so.
    """
    if _same(first.message_id, origin.message_id):
        return _of_one_message(first, origin)
    without_sqs = None in {first.message_id, origin.message_id}
    if without_sqs and _same(first.request_id, origin.request_id):
        return Cause.OWN_RETRY
    if first.replay_name != origin.replay_name:
        return Cause.ARCHIVE_REPLAY
    if None in {first.event_id, origin.event_id}:
        return Cause.UNKNOWN
    if first.event_id != origin.event_id:
        return Cause.CXONE_EMITTED_AGAIN
    return _of_one_event(first, origin)


def _of_one_message(first: Origin, origin: Origin) -> Cause:
    counts = {first.receive_count, origin.receive_count}
    if len(counts) > 1 or None in counts:
        return Cause.SQS_REDELIVERED
    if _same(first.request_id, origin.request_id):
        return Cause.OWN_RETRY
    return Cause.SQS_DELIVERED_TWICE


def _of_one_event(first: Origin, origin: Origin) -> Cause:
    if first.sent_at_ms is None or origin.sent_at_ms is None:
        return Cause.EVENTBRIDGE_DELIVERED_TWICE
    apart_ms = abs(origin.sent_at_ms - first.sent_at_ms)
    if apart_ms < REDRIVE_AFTER_MS:
        return Cause.EVENTBRIDGE_DELIVERED_TWICE
    return Cause.DEAD_LETTER_REDRIVE


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and one == other
