"""The DynamoDB store. Only it and the other `dynamodb` modules import the AWS SDK."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from cxone_idem.chance import random_share
from cxone_idem.dynamodb_answer import (
    date_seconds,
    from_response,
    from_sdk,
    is_untried_conflict,
    read_item,
)
from cxone_idem.dynamodb_batch import StatementBatches
from cxone_idem.errors import ConfigError, StoreError
from cxone_idem.item import Item, Layout
from cxone_idem.record import NO_VERSION
from cxone_idem.store import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cxone_idem.record import Record
    from cxone_idem.store import Write

_OPERATION = "PutItem"

# DynamoDB answers a PutItem in single-digit milliseconds; a second without an answer is a hundred
# times that, so the request or its answer is lost. The SDK's 60 s outlast most Lambda time-outs:
# the function would be killed in its first attempt, with nothing logged.
_TIMEOUT_SECONDS = 1
# The SDK's own number for DynamoDB in standard mode; pinned, as AWS_RETRY_MODE could change it.
_ATTEMPTS = 4
# A write that met another Region's, or a transaction, was not executed. Those take some tens of
# milliseconds; three more attempts within 0.35 s outlast them and no Lambda function's time-out.
_CONFLICT_PAUSES_SECONDS = (0.05, 0.1, 0.2)
PATIENCE_SECONDS = _ATTEMPTS * 2 * _TIMEOUT_SECONDS
"""How long one request may take: each attempt waits for a connection, then for an answer."""


def create_client() -> Any:
    """Create the DynamoDB client this library uses; endpoint and region are the SDK's to find.

    It is botocore's, the same that boto3 makes: importing boto3 too would cost a cold start more
    than all of this library. Pass a client of your own for a session of your own.
    """
    config = ClientConfig(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        # Every request is built here, and DynamoDB checks it again: the SDK's check between the two
        # is a third of a batch's CPU time. The tests run with it.
        parameter_validation=False,
    )
    try:
        return botocore.session.get_session().create_client("dynamodb", config=config)
    except NoRegionError:
        raise ConfigError(
            ("no AWS region is set: set AWS_REGION (on Lambda it always is)",)
        ) from None


class DynamoDBStore:
    """Records as items of one DynamoDB table. Needs `dynamodb:PutItem` on it and nothing more.

    `client` is any boto3 DynamoDB client; the default has time-outs that suit a Lambda function.
    The table has a partition key (text) named `partition_key` and no sort key.
    """

    def __init__(
        self,
        table: str,
        client: Any = None,
        *,
        partition_key: str = "id",
        ttl_attribute: str = "expires_at",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._sleep = sleep
        self._client = create_client() if client is None else client
        self._layout = Layout(partition_key, ttl_attribute)
        self._batches = StatementBatches(table, self._client, self._layout, self)

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        """Write `record` by one PutItem on the condition that the item's version is as expected.

        The refused write's item comes with the refusal, so nothing is ever read
        (`ReturnValuesOnConditionCheckFailure`, PutItem in the DynamoDB API Reference).
        """
        try:
            response = self._send(**self._put(record, expected_version))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return self._refused(expected_version, error.response)
            raise from_response(error, self._table, _OPERATION) from error
        except BotoCoreError as error:
            raise from_sdk(error, self._table, _OPERATION) from error
        return Answer(written=True, date_seconds=date_seconds(response))

    def put_many(self, writes: Sequence[Write]) -> list[Answer | StoreError]:
        """Do what `put_if` does for each write, several in one BatchExecuteStatement.

        That needs `dynamodb:PartiQLInsert` and `dynamodb:PartiQLUpdate`; without them, or on an
        engine without PartiQL, each write is a PutItem of its own.
        """
        return self._batches.put_many(writes)

    def _send(self, **request: Any) -> Any:
        """Send a PutItem, and again if it met another write where the SDK would not."""
        for pause_seconds in _CONFLICT_PAUSES_SECONDS:
            try:
                return self._client.put_item(**request)
            except ClientError as error:
                if not is_untried_conflict(error):
                    raise
            # At random, or two Regions would meet again.
            self._sleep(pause_seconds * random_share())
        return self._client.put_item(**request)

    def transaction_item(self, write: Write) -> dict[str, Any]:
        """Return the entry of TransactWriteItems that does what `put_if` would.

        It needs the same permission ("Using IAM with DynamoDB transactions", Developer Guide).
        """
        return {"Put": self._put(*write)}

    def _put(self, record: Record, expected_version: str | None) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": self._layout.to_item(record),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **self._condition(expected_version),
        }

    def _condition(self, expected_version: str | None) -> dict[str, Any]:
        if expected_version is None:
            return {
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": {"#key": self._layout.partition_key},
            }
        if expected_version == NO_VERSION:
            return {
                "ConditionExpression": "attribute_exists(#key) AND attribute_not_exists(#version)",
                "ExpressionAttributeNames": {
                    "#key": self._layout.partition_key,
                    "#version": "version",
                },
            }
        return {
            "ConditionExpression": "#version = :expected",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":expected": {"S": expected_version}},
        }

    def _refused(self, expected_version: str | None, response: Mapping[str, Any]) -> Answer:
        item: Item | None = response.get("Item")
        request_id = response.get("ResponseMetadata", {}).get("RequestId")
        if item is None and expected_version is None:
            problem = (
                "the refused write came back without the item that refused it; retrying does not"
                " help: use botocore 1.34 or newer, and an engine that knows"
                " ReturnValuesOnConditionCheckFailure"
            )
            raise StoreError(problem, self._table, _OPERATION, request_id=request_id)
        seen = read_item(item, self._layout, self._table, _OPERATION)
        return Answer(written=False, seen=seen, date_seconds=date_seconds(response))
