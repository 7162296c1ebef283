"""Checks a queue: it loses nothing, and keeps messages no longer than the records are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.doctor.facts import Check, DeadLetters, Finding, Queue, Unread, last_name
from cxone_idem.setting import variable

if TYPE_CHECKING:
    from collections.abc import Iterator

# "Creating and configuring an SQS event source mapping": at least 5, so that throttled or briefly
# failing messages do not end in the dead-letter queue.
_RECEIVES_LEAST = 5
_DAY_SECONDS = 86_400


def check_queue(queue: Queue, retention_seconds: float | Unread) -> Iterator[Finding]:
    """Report what happens to messages that fail; `retention_seconds` is the records'."""
    subject = f"queue {last_name(queue.arn)}"
    letters = queue.dead_letters
    if letters is None:
        yield Check("dead-letter-queue", subject).wrong(
            "it has none",
            "a message that cannot be processed comes back until the queue's retention ends, and is"
            " then lost",
            f"give it a redrive policy with maxReceiveCount {_RECEIVES_LEAST} or more",
        )
    else:
        yield _dead_letters(letters, Check("dead-letter-queue", subject))
        yield _receives(letters, Check("receive-count", subject))
    yield _retention(queue, retention_seconds, Check("retention", subject))


def _dead_letters(letters: DeadLetters, check: Check) -> Finding:
    found = letters.retention_seconds
    if isinstance(found, Unread) and found.absent:
        return check.wrong(
            f"{last_name(letters.arn)} does not exist",
            "messages that fail too often are lost or come back for ever",
            "create it, or name another in the redrive policy",
        )
    return check.ok(last_name(letters.arn))


def _receives(letters: DeadLetters, check: Check) -> Finding:
    count = letters.max_receive_count
    if count >= _RECEIVES_LEAST:
        return check.ok(f"maxReceiveCount is {count}")
    return check.wrong(
        f"maxReceiveCount is {count}; expected {_RECEIVES_LEAST} or more",
        "a key in progress elsewhere, throttling or a short outage uses receives up, and sends good"
        " messages to the dead-letter queue",
        f"set maxReceiveCount to {_RECEIVES_LEAST} or more",
    )


def _retention(queue: Queue, kept_seconds: float | Unread, check: Check) -> Finding:
    letters_seconds = queue.dead_letters.retention_seconds if queue.dead_letters else 0
    if isinstance(kept_seconds, Unread):
        return check.unknown(kept_seconds)
    if isinstance(letters_seconds, Unread):
        return check.unknown(letters_seconds)
    total = queue.retention_seconds + letters_seconds
    what = (
        f"queue {_days(queue.retention_seconds)} + dead-letter queue {_days(letters_seconds)},"
        f" records {_days(kept_seconds)}"
    )
    if total <= kept_seconds:
        return check.ok(what)
    return check.wrong(
        what,
        "a copy that is redriven late comes after its record counts as absent, and is done again",
        f"set {variable('retention_seconds')} to {total} or more, or shorten the queues' retention",
    )


def _days(seconds: float) -> str:
    return f"{seconds / _DAY_SECONDS:.3g} days"
