"""The two consumers: the naive one, and the same with cxone_idem."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cxone_idem import Config, Deduplicator, DynamoDBStore
from examples.demo.conversations import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    ProcessEvent = Callable[[dict[str, Any]], None]
    Handler = Callable[[dict[str, Any]], dict[str, Any]]
    MakeHandler = Callable[[str, DynamoDBClient, ProcessEvent], Handler]


def naive(table: str, client: DynamoDBClient, process_event: ProcessEvent) -> Handler:
    """Return the handler of the issue: exists, process, insert. Its reads are consistent."""

    def exists(key: str) -> bool:
        answer = client.get_item(TableName=table, Key={"id": {"S": key}}, ConsistentRead=True)
        return "Item" in answer

    def insert(key: str) -> None:
        client.put_item(TableName=table, Item={"id": {"S": key}})

    def handler(event: dict[str, Any]) -> dict[str, Any]:
        for record in event["Records"]:
            envelope = json.loads(record["body"])
            key = key_of(envelope)
            if exists(key):
                continue
            process_event(envelope)
            insert(key)
        return {"batchItemFailures": []}

    return handler


def idempotent(
    table: str, client: DynamoDBClient, process_event: ProcessEvent, config: Config | None = None
) -> Handler:
    """Return the handler with the library, on its default settings unless told otherwise."""
    deduplicator = Deduplicator(DynamoDBStore(table, client), config)

    def handler(event: dict[str, Any]) -> dict[str, Any]:
        return deduplicator.process_batch(event, process_event)

    return handler
