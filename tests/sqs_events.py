"""Builders of the events Lambda gets from SQS, as AWS documents and delivers them."""

from __future__ import annotations

import json
from typing import Any

QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:cxone-events"


def envelope(
    key: str | None = "a1b2c3d4-5678-90ab-cdef-1234567890ab", **fields: Any
) -> dict[str, Any]:
    """Return the EventBridge envelope of a `conversation.start`."""
    detail = {
        "eventType": "conversation.start",
        "IdempotencyKey": key,
        "conversationId": "conv-123",
        "timestamp": "2023-10-27T14:30:00Z",
    }
    return {
        "version": "0",
        "id": f"event-of-{key}",
        "detail-type": "conversation.start",
        "source": "nice.cxone",
        "account": "000000000000",
        "time": "2023-10-27T14:30:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
        **fields,
    }


def record(
    message_id: str, body: Any, *, group: str | None = None, fifo: bool = False, **attributes: str
) -> dict[str, Any]:
    """Return one SQS record around `body`, which is encoded unless it is text already."""
    if group is not None:
        attributes["MessageGroupId"] = group
    return {
        "messageId": message_id,
        "receiptHandle": f"handle-{message_id}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1698417000123",
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": "1698417000130",
            **attributes,
        },
        "messageAttributes": {},
        "md5OfBody": "00000000000000000000000000000000",
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN + (".fifo" if fifo else ""),
        "awsRegion": "us-east-1",
    }


def batch(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the Lambda event of some records."""
    return {"Records": list(records)}


def batch_of(*keys: str) -> dict[str, Any]:
    """Return a batch of one message a key, with ids m0, m1 and so on."""
    return batch(*(record(f"m{number}", envelope(key)) for number, key in enumerate(keys)))


def failed(response: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the message ids that a batch response names as failed."""
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


class Context:
    """A Lambda context whose remaining time is what a test says."""

    aws_request_id = "request-1"

    def __init__(self, remaining_ms: int) -> None:
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms
