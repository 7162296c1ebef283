"""For the unit tests of your consumer: no AWS, no waiting, and what goes wrong goes wrong on cue.

Nothing here needs a test framework, and nothing of the library needs this.
"""

from cxone_idem.testing import events, rehearsal
from cxone_idem.testing.events import (
    FakeContext,
    eventbridge_event,
    failed_ids,
    sqs_event,
    sqs_event_of,
    sqs_record,
)
from cxone_idem.testing.rehearsal import MovableClock, Rehearsal, RehearsalStore

QUEUE_ARN = events.QUEUE_ARN
"""The ARN of the queue that each `sqs_record` is from, unless that is FIFO."""
START_SECONDS = rehearsal.START_SECONDS
"""When a `MovableClock` starts, epoch seconds: in 2033, so that no engine sweeps the records."""

__all__ = [
    "QUEUE_ARN",
    "START_SECONDS",
    "FakeContext",
    "MovableClock",
    "Rehearsal",
    "RehearsalStore",
    "eventbridge_event",
    "failed_ids",
    "sqs_event",
    "sqs_event_of",
    "sqs_record",
]
