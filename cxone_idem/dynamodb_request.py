"""The requests to a DynamoDB table: a PutItem, and a BatchExecuteStatement, within a budget."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from cxone_idem import dynamodb_batch
from cxone_idem.aws_client import NoAnswerInTimeError, ProcessClient, answer_within, new_client
from cxone_idem.dynamodb_answer import (
    Source,
    date_seconds,
    from_response,
    from_sdk,
    read_item,
)
from cxone_idem.errors import StoreError
from cxone_idem.record import NO_VERSION
from cxone_idem.store import ATTEMPTS, Answer, Budget, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxone_idem.item import Layout

_PUT = "PutItem"

# DynamoDB answers a PutItem in single-digit milliseconds; a second without an answer is a hundred
# times that, so the request or its answer is lost. The SDK's 60 s outlast most Lambda time-outs.
_TIMEOUT_SECONDS = 1
REQUEST_SECONDS = 2 * _TIMEOUT_SECONDS
"""How long one request may take: it waits for a connection, then for an answer.

The SDK sends it once, as it would pause up to 1, 2, 4 s between attempts and knows no deadline. The
store sends it up to 4 times: 8 s of time-outs and 0.7 s of pauses where nothing answers, and less
where an invocation ends before. With 3 s, Lambda's default, a table that hangs takes one attempt of
2 s, or two of 1 s, and what is left of the 2.7 s that are not kept for the answer.
"""

# A healthy round trip takes a tenth of that; with less time a request is not worth sending.
LEAST_SECONDS = 0.05
# What botocore waits for by default, and the longest of its pauses in standard mode.
_SDK_TIMEOUT_SECONDS = 60
_SDK_PAUSE_SECONDS = 20
_WITHOUT_PARTIQL = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnknownOperationException",
        "ValidationError",
        "ValidationException",
    }
)


def create_client() -> Any:
    """Create the DynamoDB client this library uses; endpoint and credentials are the SDK's to find.

    It is botocore's, the same that boto3 makes: importing boto3 too would cost a cold start more
    than all of this library. Pass a client of your own for a session of your own.
    """
    config = ClientConfig(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        # Every request is built here, and DynamoDB checks it again: the SDK's check between the two
        # is a third of a batch's CPU time. The tests run with it.
        parameter_validation=False,
    )
    return new_client("dynamodb", config)


class NoBatchesError(Exception):
    """The role or the engine has no BatchExecuteStatement for these writes."""


class TableRequests:
    """Sends one request at a time to one table. A failure is an answer, never raised."""

    def __init__(self, table: str, layout: Layout, client: Any) -> None:
        self.table = table
        self._layout = layout
        self._client = ProcessClient(create_client, client)
        self._sdk_attempts, self._request_seconds = _patience(self._client())

    def put(self, write: Write, budget: Budget) -> Answer | StoreError:
        """Send a PutItem."""
        try:
            response = self._request("put_item", budget, **self.parameters(write))
        except StoreError as error:
            return error
        except ClientError as error:
            if error.response["Error"].get("Code") == "ConditionalCheckFailedException":
                return self._refused(write, error.response)
            return self._failure(error, _PUT)
        except Exception as error:  # noqa: BLE001 -- a hook may raise anything, and the write may have landed
            return self._failure(error, _PUT)
        return Answer(written=True, date_seconds=date_seconds(response))

    def put_batch(
        self, writes: Sequence[Write], budget: Budget
    ) -> list[Answer | StoreError | None]:
        """Send a BatchExecuteStatement; None in its answer is a refusal without its item.

        Raises `NoBatchesError` if that cannot be done here, but single writes perhaps can.
        """
        statements = dynamodb_batch.statements(self.table, self._layout, writes)
        try:
            response = self._request("batch_execute_statement", budget, Statements=statements)
        except StoreError as error:
            return [error for _ in writes]
        except Exception as error:
            failure = self._failure(error, dynamodb_batch.OPERATION)
            if isinstance(error, (BotoCoreError, NoAnswerInTimeError)):
                return [failure for _ in writes]
            if isinstance(error, ClientError) and failure.code not in _WITHOUT_PARTIQL:
                return [failure for _ in writes]
            raise NoBatchesError(failure.code or type(error).__name__) from error
        source = Source(self.table, self._layout, dynamodb_batch.OPERATION)
        return dynamodb_batch.read_response(writes, response, source)

    def parameters(self, write: Write) -> dict[str, Any]:
        """Return what PutItem takes, and `Put` in a transaction."""
        return {
            "TableName": self.table,
            "Item": self._layout.to_item(write.record),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **self._condition(write.expected_version),
        }

    def _request(self, method: str, budget: Budget, **parameters: Any) -> Any:
        """Send one request. Raises what the SDK raises, and `StoreError` if there is no time."""
        left_seconds = budget.seconds_left()
        if left_seconds < LEAST_SECONDS:
            problem = (
                "the invocation ends too soon for another request; retrying helps, at the next"
                " delivery: raise the function's time-out if this goes on"
            )
            operation = method.title().replace("_", "")
            raise StoreError(problem, self.table, operation, attempts=0)
        request = partial(getattr(self._client(), method), **parameters)
        if left_seconds >= self._request_seconds:
            return request()
        return answer_within(left_seconds, request)

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

    def _refused(self, write: Write, response: Mapping[str, Any]) -> Answer | StoreError:
        item = response.get("Item")
        request_id = response.get("ResponseMetadata", {}).get("RequestId")
        if item is None and write.expected_version is None:
            problem = (
                "the refused write came back without the item that refused it; retrying does not"
                " help: use botocore 1.34 or newer, and an engine that knows"
                " ReturnValuesOnConditionCheckFailure"
            )
            return StoreError(problem, self.table, _PUT, request_id=request_id, retryable=False)
        source = Source(self.table, self._layout, _PUT)
        try:
            seen = read_item(item, write.record.partition_key, source)
        except StoreError as error:
            return error
        return Answer(written=False, seen=seen, date_seconds=date_seconds(response))

    def _failure(self, error: Exception, operation: str) -> StoreError:
        if isinstance(error, ClientError):
            failure = from_response(error, self.table, operation)
        else:
            failure = from_sdk(error, self.table, operation, self._sdk_attempts)
        failure.__cause__ = error
        return failure


def _patience(client: Any) -> tuple[int, float]:
    """Return how often a client's SDK sends a request, and how long that may take, in seconds."""
    config = getattr(getattr(client, "meta", None), "config", None)
    retries = getattr(config, "retries", None) or {}
    attempts = retries.get("total_max_attempts", ATTEMPTS)
    one_seconds = sum(
        getattr(config, name, None) or _SDK_TIMEOUT_SECONDS
        for name in ("connect_timeout", "read_timeout")
    )
    pauses_seconds = sum(min(2**retry, _SDK_PAUSE_SECONDS) for retry in range(attempts - 1))
    return attempts, attempts * one_seconds + pauses_seconds
