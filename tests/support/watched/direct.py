"""The example without a queue as a watched Lambda function."""

from __future__ import annotations

from typing import Any

from tests.support.watched.work import journal, process_event

# Only now, when `work` notes the clients that are made.
from examples.eventbridge_direct import handler as example  # isort: skip

example.process_event = process_event


def once(event: dict[str, Any], context: Any) -> None:
    """Handle an event as the example does."""
    journal.note("delivered", key=event["detail"]["IdempotencyKey"], event_id=event["id"])
    example.handler(event, context)
