"""The check-then-insert handler, its replacement, and a race of both.

Run it: `python examples/migration/naive_to_idempotent.py`. The replacement behind an SQS queue is
one line, in `examples/sqs_lambda/handler.py`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

from cxone_idem import Deduplicator, InProgressError, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

# On Lambda: Deduplicator.from_environ(), which works on DynamoDB.
deduplicator = Deduplicator(MemoryStore())


def before(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 -- Lambda's shape
    """Handle an event as the naive consumer does: two deliveries at once both pass the check."""
    idem_key = event["detail"]["IdempotencyKey"]
    if db.exists(idem_key):
        return {"statusCode": 200, "body": "Duplicate"}
    process_event(event)
    db.insert(idem_key)
    return {"statusCode": 200, "body": "Processed"}


def after(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an event under a claim: checking and inserting are one step."""
    claim = deduplicator.claim(event["detail"]["IdempotencyKey"], context=context)
    if not claim:
        return {"statusCode": 200, "body": "Duplicate"}
    with claim:
        process_event(event)
    return {"statusCode": 200, "body": "Processed"}


# From here on: what the race needs.

EVENT = {
    "detail": {
        "eventType": "conversation.start",
        "IdempotencyKey": "a1b2c3d4-5678-90ab-cdef-1234567890ab",
        "conversationId": "conv-123",
        "timestamp": "2023-10-27T14:30:00Z",
    }
}
COMES_BACK = "InProgressError (its queue brings it back)"

# A meeting takes microseconds; who waits this long for one has met a defect.
_MEETING_SECONDS = 30


class Database:
    """The naive consumer's table, with the bad luck of production made certain.

    Two lookups that come at once are both answered before either caller goes on.
    """

    def __init__(self) -> None:
        self._rows: set[str] = set()
        self._both_looked = Barrier(2)

    def exists(self, key: str) -> bool:
        """Tell whether `key` has been inserted."""
        found = key in self._rows
        self._both_looked.wait(_MEETING_SECONDS)
        return found

    def insert(self, key: str) -> None:
        """Insert `key`."""
        self._rows.add(key)


db = Database()
runs: list[dict[str, Any]] = []
duplicate_was_told = Event()


def process_event(event: dict[str, Any]) -> None:
    """Do the work; it lasts until the duplicate delivery has come and been told to wait."""
    runs.append(event)
    duplicate_was_told.wait(_MEETING_SECONDS)


def deliver(handler: Callable[[dict[str, Any], Any], dict[str, Any]]) -> str:
    """Deliver the event once, as Lambda does; return what became of it."""
    try:
        body: str = handler(EVENT, None)["body"]
    except InProgressError:
        duplicate_was_told.set()
        return COMES_BACK
    return body


def race(name: str, handler: Callable[[dict[str, Any], Any], dict[str, Any]]) -> None:
    """Deliver the event twice at once, and again if it was told to come back; print the story."""
    runs.clear()
    with ThreadPoolExecutor(2) as deliveries:
        fates = sorted(deliveries.map(deliver, [handler, handler]), reverse=True)
    if COMES_BACK in fates:
        fates.append(deliver(handler))
    print(f"{name}: process_event ran {len(runs)} x; deliveries: {', '.join(fates)}")


def main() -> None:
    """Race both handlers."""
    duplicate_was_told.set()  # nobody tells the naive handler's duplicate to wait
    race("before", before)
    duplicate_was_told.clear()
    race("after ", after)


if __name__ == "__main__":
    main()
