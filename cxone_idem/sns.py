"""SNS in front of a queue: `decode=cxone_idem.sns.decode` finds the events in its notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["decode"]


def decode(record: Mapping[str, Any]) -> str:
    """Return the JSON of the event that an SNS notification carries; any other body as it is.

    So a queue may mix the two: topics without raw message delivery, topics with it, and rules.
    Attributes that a publisher added reach `current_message()` with raw message delivery only.
    Without it SNS puts them into the notification, under `MessageAttributes`.
    """
    body: str = record["body"]
    try:
        found = json.loads(body)
    except (TypeError, ValueError, RecursionError):
        return body  # whoever parses it says what is wrong
    is_wrapped = (
        isinstance(found, dict)
        and found.get("Type") == "Notification"
        and "TopicArn" in found
        and isinstance(found.get("Message"), str)
    )
    return str(found["Message"]) if is_wrapped else body
