"""What one can write by hand with boto3: two calls an event (A), or two for 25 events (B)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.bench.contender import Contender, Handler, Tap

_STATEMENTS_MAX = 25


class TwoCalls(Contender):
    """A: a PutItem and an UpdateItem for each event."""

    def __init__(self, table: str, max_workers: int) -> None:
        self._client = boto3.client("dynamodb")
        self._table = table
        self._map: Any = map if max_workers == 1 else ThreadPoolExecutor(max_workers).map
        self.tap = Tap(self._client)

    def deliver(self, event: dict[str, Any], handler: Handler) -> None:
        def process(record: dict[str, Any]) -> None:
            envelope = json.loads(record["body"])
            key = envelope["detail"]["IdempotencyKey"]
            if self._claim(key):
                handler(envelope)
                self._complete(key)

        list(self._map(process, event["Records"]))

    def one(self, key: str) -> None:
        if self._claim(key):
            self._complete(key)

    def _claim(self, key: str) -> bool:
        try:
            self._client.put_item(
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

    def _complete(self, key: str) -> None:
        self._client.update_item(
            TableName=self._table,
            Key={"id": {"S": key}},
            UpdateExpression="SET #state = :done",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":done": {"S": "DONE"}},
        )


class Fewest(TwoCalls):
    """B: claim all, work, complete all. It is no way to live: a crash runs all 25 again."""

    def deliver(self, event: dict[str, Any], handler: Handler) -> None:
        envelopes = {}
        for record in event["Records"]:
            envelope = json.loads(record["body"])
            envelopes[envelope["detail"]["IdempotencyKey"]] = envelope
        claimed = [
            key for keys in self._map(self._claim_all, _chunks([*envelopes])) for key in keys
        ]
        list(self._map(handler, [envelopes[key] for key in claimed]))
        list(self._map(self._complete_all, _chunks(claimed)))

    def _claim_all(self, keys: list[str]) -> list[str]:
        insert = f"INSERT INTO \"{self._table}\" VALUE {{'id': ?, 'state': ?, 'until': ?}}"
        answers = self._send(insert, [[{"S": k}, {"S": "IN_PROGRESS"}, {"N": "1"}] for k in keys])
        return [key for key, answer in zip(keys, answers, strict=True) if "Error" not in answer]

    def _complete_all(self, keys: list[str]) -> None:
        update = f'UPDATE "{self._table}" SET "state"=? WHERE "id"=?'  # noqa: S608 -- our table
        for answer in self._send(update, [[{"S": "DONE"}, {"S": key}] for key in keys]):
            assert "Error" not in answer, answer

    def _send(self, statement: str, parameters: list[Any]) -> list[Any]:
        statements: Any = [{"Statement": statement, "Parameters": each} for each in parameters]
        responses: Any = self._client.batch_execute_statement(Statements=statements)["Responses"]
        return list(responses)


def _chunks(keys: list[str]) -> list[list[str]]:
    return [keys[n : n + _STATEMENTS_MAX] for n in range(0, len(keys), _STATEMENTS_MAX)]
