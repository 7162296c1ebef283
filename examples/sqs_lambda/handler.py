"""A Lambda function behind SQS. Its event source mapping needs `ReportBatchItemFailures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem import Deduplicator

if TYPE_CHECKING:
    from collections.abc import Mapping

# Made while Lambda initialises the function: the first event finds the client ready, and every
# invocation shares its connection.
deduplicator = Deduplicator.from_environ()


def process_event(event: dict[str, Any]) -> None:
    """Do the work of one event; raising brings the event back."""
    print(f"{event['detail']['eventType']}: processed event {event['id']}")


def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
    """Process each event of the batch once, however often it is delivered."""
    return deduplicator.process_batch(event, process_event, context=context)
