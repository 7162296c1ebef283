"""SQS as tests use it: a client on an engine, and fresh queues whose wire can be watched."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import moto
from botocore.config import Config as ClientConfig

from cxone_idem.errors import QueueError
from cxone_idem.sqs.queue import SqsQueue
from examples.local_stack import ministack
from tests.support.engines import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_sqs import SQSClient


@contextmanager
def sqs_on(engine: str) -> Iterator[SQSClient]:
    """Run SQS on an engine; yield a client, patient enough for a busy machine."""
    require(engine)
    config = ClientConfig(read_timeout=30, retries={"mode": "standard", "total_max_attempts": 1})
    if engine == "moto":
        with moto.mock_aws():
            yield boto3.client("sqs", config=config)
    else:
        with ministack() as endpoint:
            yield boto3.client("sqs", endpoint_url=endpoint, config=config)


class TestQueue:
    """A fresh queue. `calls` are the requests that its client has sent, with their parameters."""

    __test__ = False

    def __init__(self, client: SQSClient, *, fifo: bool = False, **attributes: str) -> None:
        self.client = client
        self.calls: list[tuple[str, Any]] = []
        name = f"idem-{uuid.uuid4().hex[:12]}{'.fifo' if fifo else ''}"
        if fifo:
            attributes["FifoQueue"] = "true"
        self.url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
        answer = client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = answer["Attributes"]["QueueArn"]
        self.name = name

    def send(self, *envelopes: dict[str, Any], group: str | None = None) -> None:
        """Send events, to a message group if the queue has them."""
        fifo: Any = {"MessageGroupId": group} if group else {}
        for envelope in envelopes:
            if group:
                fifo["MessageDeduplicationId"] = uuid.uuid4().hex
            self.client.send_message(QueueUrl=self.url, MessageBody=json.dumps(envelope), **fifo)

    def receive(self, *, visibility_seconds: int = 600) -> list[dict[str, Any]]:
        """Return what is there now, as Lambda would deliver it."""
        answer = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=visibility_seconds,
            AttributeNames=["All"],
        )
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
                "eventSourceARN": self.arn,
            }
            for message in answer.get("Messages", [])
        ]

    def bodies(self) -> list[dict[str, Any]]:
        """Return the events that are visible, and hide them."""
        found: list[dict[str, Any]] = []
        while records := self.receive():
            found += [json.loads(record["body"]) for record in records]
        return found

    def counts(self) -> tuple[int, int]:
        """Return how many messages are visible, and how many are in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)  # type: ignore[arg-type]
        visible, hidden = (int(answer["Attributes"][name]) for name in names)  # type: ignore[index]
        return visible, hidden


class Polled(SqsQueue):
    """A queue that stops its consumer when it is empty, or has failed so many times."""

    def __init__(self, queue: TestQueue, failures: int = 0) -> None:
        super().__init__(queue.client, queue.url)
        self.failures = failures
        self.when_empty: Callable[[], object] = lambda: None

    def receive(self, **options: Any) -> list[dict[str, Any]]:
        if self.failures:
            self.failures -= 1
            problem = "SQS is away"
            raise QueueError(problem, self.url, "ReceiveMessage")
        messages = super().receive(**options)
        if not messages:
            self.when_empty()
        return messages
