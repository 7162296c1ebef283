"""A contender: one way to process a batch of SQS messages on a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.exceptions import ClientError

from cxone_idem import Config, Deduplicator, DynamoDBStore
from cxone_idem.stores.dynamodb import create_client
from tests.bench.tap import Tap
from tests.support.events import Context

if TYPE_CHECKING:
    from collections.abc import Callable

REMAINING_MS = 30_000


class Contender(Protocol):
    """What a measurement asks of a contender."""

    name: str
    tap: Tap

    def deliver(self, event: dict[str, Any], handler: Callable[[Any], object]) -> None:
        """Process one Lambda event; fail if any message of it fails."""

    def restart(self) -> None:
        """Forget what this process knows, as a new process would."""


class CxoneIdem:
    """`process_batch`, as README says to use it."""

    name = "cxone_idem"

    def __init__(self, table: str, max_workers: int = 1) -> None:
        self.client = create_client()
        self._config = Config(table=table, max_workers=max_workers)
        self.tap = Tap(self.client)
        self.restart()

    def restart(self) -> None:
        self.deduplicator = Deduplicator(
            DynamoDBStore(self._config.table, self.client), self._config
        )

    def deliver(self, event: dict[str, Any], handler: Callable[[Any], object]) -> None:
        response = self.deduplicator.process_batch(event, handler, context=Context(REMAINING_MS))
        assert response == {"batchItemFailures": []}, response


class Bare:
    """Two boto3 calls an event, PutItem and UpdateItem: the least that the obvious way can cost."""

    name = "bare boto3"

    def __init__(self, table: str) -> None:
        self.client = boto3.client("dynamodb")
        self._table = table
        self.tap = Tap(self.client)

    def restart(self) -> None:
        pass

    def deliver(self, event: dict[str, Any], handler: Callable[[Any], object]) -> None:
        for record in event["Records"]:
            envelope = json.loads(record["body"])
            key = envelope["detail"]["IdempotencyKey"]
            if self.claim(key):
                handler(envelope)
                self.complete(key)

    def claim(self, key: str) -> bool:
        try:
            self.client.put_item(
                TableName=self._table,
                Item={"id": {"S": key}, "state": {"S": "IN_PROGRESS"}, "until": {"N": "1"}},
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def complete(self, key: str) -> None:
        self.client.update_item(
            TableName=self._table,
            Key={"id": {"S": key}},
            UpdateExpression="SET #state = :done",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":done": {"S": "DONE"}},
        )
