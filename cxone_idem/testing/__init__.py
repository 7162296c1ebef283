"""For the unit tests of your consumer: no AWS, no waiting, and what goes wrong goes wrong on cue.

Nothing here needs a test framework, and nothing of the library needs this.
"""

from cxone_idem.testing.events import (
    QUEUE_ARN,
    FakeContext,
    eventbridge_event,
    failed_ids,
    sqs_event,
    sqs_event_of,
    sqs_record,
)
from cxone_idem.testing.rehearsal import START_SECONDS, MovableClock, Rehearsal, RehearsalStore

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
