"""An SQS queue, and what Lambda's event source mapping does between it and a handler."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH_SIZE = 10
"""SQS's own limit for one request, and Lambda's default batch size."""


class EventSource:
    """One queue."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self.url = url

    @classmethod
    def create(cls, client: SQSClient, name: str, visibility_seconds: int) -> EventSource:
        """Create the queue; a message that failed comes back after `visibility_seconds`."""
        attributes = {"VisibilityTimeout": str(visibility_seconds)}
        answer = client.create_queue(QueueName=name, Attributes=attributes)  # type: ignore[arg-type]
        return cls(client, answer["QueueUrl"])

    def send(self, envelopes: Sequence[dict[str, Any]]) -> None:
        """Send up to ten events in one request."""
        answer = self._client.send_message_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(number), "MessageBody": json.dumps(envelope)}
                for number, envelope in enumerate(envelopes)
            ],
        )
        if answer.get("Failed"):
            message = f"SQS did not take {len(answer['Failed'])} messages"
            raise RuntimeError(message)

    def receive(self) -> dict[str, Any] | None:
        """Return the next batch as Lambda's event; None if no message comes within a second."""
        answer = self._client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH_SIZE,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        return {"Records": [_record(message) for message in messages]} if messages else None

    def settle(self, event: dict[str, Any], response: dict[str, Any]) -> None:
        """Delete what did not fail; the rest comes back after the visibility timeout."""
        failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        done = [record for record in event["Records"] if record["messageId"] not in failed]
        if done:
            self._client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": record["receiptHandle"]}
                    for number, record in enumerate(done)
                ],
            )

    def undeleted(self) -> int:
        """Return how many messages are waiting or being worked on."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)  # type: ignore[arg-type]
        return sum(int(count) for count in answer["Attributes"].values())


def _record(message: MessageTypeDef) -> dict[str, Any]:
    """Return a message in the shape in which Lambda passes it on."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:cxone-events",
        "awsRegion": "us-east-1",
    }
