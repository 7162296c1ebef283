"""A Lambda function that EventBridge invokes without a queue.

Such an invocation is asynchronous: one that fails is tried again after one minute and once more
two minutes later, then the event is dropped ("How Lambda handles errors and retries with
asynchronous invocation", Lambda Developer Guide). So give the function a dead-letter queue or an
on-failure destination, and a time-out well below the three minutes: a killed invocation holds its
claim until then, and the last try must come later than that.
"""

from __future__ import annotations

from typing import Any

from cxone_idem import Deduplicator

deduplicator = Deduplicator.from_environ()


def process_event(event: dict[str, Any]) -> None:
    """Do the work of one event."""
    print(f"{event['detail']['eventType']}: processed event {event['id']}")


def handler(event: dict[str, Any], context: Any) -> None:
    """Process the event once. What is raised, `InProgressError` too, makes Lambda try again."""
    claim = deduplicator.claim(event["detail"]["IdempotencyKey"], context=context)
    if claim:
        with claim:  # completes the key, or releases it for the next try
            process_event(event)
