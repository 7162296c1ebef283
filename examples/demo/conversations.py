"""The events: `conversation.start` of CXone, in EventBridge's envelope."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any


def start() -> dict[str, Any]:
    """Return the envelope of a new `conversation.start`."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "conversation.start",
        "source": "nice.cxone",
        "account": "000000000000",
        "time": now,
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "eventType": "conversation.start",
            "IdempotencyKey": str(uuid.uuid4()),
            "conversationId": str(uuid.uuid4()),
            "timestamp": now,
        },
    }


def key_of(envelope: dict[str, Any]) -> str:
    """Return the field that CXone means to tell events apart."""
    key: str = envelope["detail"]["IdempotencyKey"]
    return key
