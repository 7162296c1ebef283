"""One way from the event bus to a function: a queue, its dead-letter queue, a mapping."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.integration.pipeline.stack import FUNCTION_TIMEOUT_SECONDS
from tests.support.until import until

if TYPE_CHECKING:
    from tests.integration.pipeline.stack import Stack
    from tests.support.journal import Journal

MAX_RECEIVE_COUNT = 3
# AWS advises six times the function's time-out ("Creating and configuring an Amazon SQS event
# source mapping"). No test waits for it: the watched function ends it for what has failed.
_VISIBILITY_SECONDS = 6 * FUNCTION_TIMEOUT_SECONDS


class Queue(NamedTuple):
    """A queue's two names."""

    url: str
    arn: str


class Lane:
    """A queue in front of a watched function."""

    def __init__(
        self, stack: Stack, name: str, handler: str, journal: Journal, *, fifo: bool = False
    ) -> None:
        self.name = name
        self.journal = journal
        self._sqs = stack.sqs
        self._fifo = fifo
        self._dead_letters = self._create_queue(f"{name}-dead-letters", {})
        policy = {
            "deadLetterTargetArn": self._dead_letters.arn,
            "maxReceiveCount": MAX_RECEIVE_COUNT,
        }
        self._queue = self._create_queue(
            name,
            {"VisibilityTimeout": str(_VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(policy)},
        )
        env = {"QUEUE_URL": self._queue.url, "JOURNAL": str(journal.path)}
        stack.create_function(name, handler, env)
        stack.functions.create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=self._queue.arn,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            **({} if fifo else {"ScalingConfig": {"MaximumConcurrency": 2}}),
        )

    def target(self) -> dict[str, Any]:
        """Return this queue as a rule's target."""
        group = {"SqsParameters": {"MessageGroupId": "conversations"}} if self._fifo else {}
        return {"Id": self.name, "Arn": self._queue.arn, **group}

    def drain(self) -> None:
        """Wait until every message of the queue is deleted or a dead letter."""
        until(lambda: not self._count(self._queue))

    def dead_letters(self) -> int:
        """Return how many messages the dead-letter queue has."""
        return self._count(self._dead_letters)

    def redrive(self) -> None:
        """Send the dead letters back, as SQS does it: as new messages with ids of their own."""
        while letters := self._receive_dead_letters():
            for letter in letters:
                self._sqs.send_message(
                    QueueUrl=self._queue.url,
                    MessageBody=letter["Body"],
                    **(self._in_the_group_of(letter) if self._fifo else {}),
                )
                self._sqs.delete_message(
                    QueueUrl=self._dead_letters.url, ReceiptHandle=letter["ReceiptHandle"]
                )

    @staticmethod
    def _in_the_group_of(letter: dict[str, Any]) -> dict[str, str]:
        return {
            "MessageGroupId": letter["Attributes"]["MessageGroupId"],
            "MessageDeduplicationId": f"redrive-of-{letter['MessageId']}",
        }

    def _receive_dead_letters(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._dead_letters.url,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["All"],
        )
        letters: list[dict[str, Any]] = answer.get("Messages", [])
        return letters

    def _create_queue(self, name: str, attributes: dict[str, str]) -> Queue:
        if self._fifo:
            name += ".fifo"
            # A rule's target must deduplicate by content: EventBridge sends no id for it.
            attributes = {**attributes, "FifoQueue": "true", "ContentBasedDeduplication": "true"}
        url = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return Queue(url, answer["Attributes"]["QueueArn"])

    def _count(self, queue: Queue) -> int:
        answer = self._sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])
        return sum(
            int(count)
            for name, count in answer["Attributes"].items()
            if name.startswith("ApproximateNumberOfMessages")
        )
