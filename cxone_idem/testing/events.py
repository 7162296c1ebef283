"""Events as SQS and EventBridge deliver them to Lambda, and the context that comes along."""

from __future__ import annotations

import json
from typing import Any

from cxone_idem.sqs.batch import BatchResponse

QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:cxone-events"


def eventbridge_event(
    key: str | None = "a1b2c3d4-5678-90ab-cdef-1234567890ab", **fields: Any
) -> dict[str, Any]:
    """Return the EventBridge envelope of a `conversation.start` whose IdempotencyKey is `key`.

    `fields` replace whole fields of the envelope; name such as `detail-type` by `**{...}`.
    """
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


def sqs_record(
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


def sqs_event(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the Lambda event of some SQS records."""
    return {"Records": list(records)}


def sqs_event_of(*keys: str) -> dict[str, Any]:
    """Return the Lambda event of one message a key, with ids m0, m1 and so on."""
    return sqs_event(
        *(sqs_record(f"m{number}", eventbridge_event(key)) for number, key in enumerate(keys))
    )


def failed_ids(response: BatchResponse) -> list[str]:
    """Return the message ids that a batch response names as failed."""
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


class FakeContext:
    """A Lambda context whose remaining time is what you say."""

    aws_request_id = "request-1"
    function_name = "cxone-events"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:cxone-events"
    memory_limit_in_mb = 128

    def __init__(self, remaining_ms: int = 30_000) -> None:
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the invocation would end."""
        return self.remaining_ms
