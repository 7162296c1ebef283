"""The DynamoDB store, and what each of its failures means. No other module imports the AWS SDK."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 -- botocore's name
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from cxone_idem.errors import ConfigError, StoreError
from cxone_idem.item import ForeignItemError, Item, Layout
from cxone_idem.record import NO_VERSION
from cxone_idem.store import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxone_idem.record import Record

_OPERATION = "PutItem"

# DynamoDB answers a PutItem in single-digit milliseconds; a second without an answer is a hundred
# times that, so the request or its answer is lost. The SDK's 60 s outlast most Lambda time-outs:
# the function would be killed in its first attempt, with nothing logged.
_TIMEOUT_SECONDS = 1
# The SDK's own number for DynamoDB in standard mode; pinned, as AWS_RETRY_MODE could change it.
_ATTEMPTS = 4

_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    }
)
_FORBIDDEN = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    }
)
_CONFLICTS = frozenset({"ReplicatedWriteConflictException", "TransactionConflictException"})
_SERVER_ERROR_STATUS = 500


def create_client() -> Any:
    """Create the DynamoDB client this library uses; endpoint and region are the SDK's to find."""
    config = ClientConfig(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    try:
        return boto3.client("dynamodb", config=config)
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
    ) -> None:
        self._table = table
        self._client = create_client() if client is None else client
        self._layout = Layout(partition_key, ttl_attribute)

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        """Write `record` by one PutItem on the condition that the item's version is as expected.

        The refused write's item comes with the refusal, so nothing is ever read
        (`ReturnValuesOnConditionCheckFailure`, PutItem in the DynamoDB API Reference).
        """
        try:
            response = self._client.put_item(
                TableName=self._table,
                Item=self._layout.to_item(record),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **self._condition(expected_version),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return self._refused(record, expected_version, error.response)
            raise _from_response(error, self._table) from error
        except BotoCoreError as error:
            raise _from_sdk(error, self._table) from error
        return Answer(written=True, date_seconds=_date_seconds(response))

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

    def _refused(
        self, record: Record, expected_version: str | None, response: Mapping[str, Any]
    ) -> Answer:
        item: Item | None = response.get("Item")
        request_id = response.get("ResponseMetadata", {}).get("RequestId")
        if item is None and expected_version is None:
            problem = (
                "the refused write came back without the item that refused it; retrying does not"
                " help: use botocore 1.34 or newer, and an engine that knows"
                " ReturnValuesOnConditionCheckFailure"
            )
            raise StoreError(problem, self._table, _OPERATION, request_id=request_id)
        try:
            seen = None if item is None else self._layout.to_record(item)
        except ForeignItemError as error:
            problem = (
                f"the item at {record.partition_key!r} was not written by this library ({error});"
                " retrying does not help: delete the item, or give this consumer a table or"
                " CXONE_IDEM_NAMESPACE of its own"
            )
            raise StoreError(problem, self._table, _OPERATION, request_id=request_id) from error
        return Answer(written=False, seen=seen, date_seconds=_date_seconds(response))


def _date_seconds(response: Mapping[str, Any]) -> int | None:
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return int(parsedate_to_datetime(date).timestamp()) if date else None
    except ValueError:
        return None


def _from_response(error: ClientError, table: str) -> StoreError:
    """Turn an answer other than 'condition failed' into a `StoreError`."""
    code = error.response["Error"].get("Code", "")
    said = error.response["Error"].get("Message", "")
    metadata = error.response.get("ResponseMetadata", {})
    server_error = metadata.get("HTTPStatusCode", 0) >= _SERVER_ERROR_STATUS
    if code == "ResourceNotFoundException":
        problem = (
            "there is no such table in this account and region; retrying does not help: create it"
            " or set CXONE_IDEM_TABLE and AWS_REGION"
        )
    elif code in _FORBIDDEN:
        problem = (
            f"AWS refused the caller ({said}); retrying does not help: allow dynamodb:PutItem on"
            " the table to the consumer's role"
        )
    elif code in _THROTTLED:
        problem = (
            f"DynamoDB throttled the write ({said}); retrying helps: let the message come back,"
            " and give the table on-demand or more write capacity if this goes on"
        )
    elif code in _CONFLICTS:
        problem = f"another write got in the way ({said}); retrying helps"
    elif server_error:
        problem = f"DynamoDB failed ({said}); retrying helps"
    else:
        problem = f"DynamoDB rejected the write ({said}); retrying does not help"
    return StoreError(
        problem,
        table,
        _OPERATION,
        code,
        metadata.get("RequestId"),
        # An attempt before this one may have been executed and its answer lost.
        server_error or metadata.get("RetryAttempts", 0) > 0,
    )


def _from_sdk(error: BotoCoreError, table: str) -> StoreError:
    """Turn a failure to get any answer into a `StoreError`."""
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        problem = f"{error}; retrying does not help: give the consumer a role or credentials"
        return StoreError(problem, table, _OPERATION)
    if isinstance(error, (ConnectionError, HTTPClientError)):
        problem = (
            f"DynamoDB could not be reached ({error}); retrying helps once it can: check the"
            " region, AWS_ENDPOINT_URL_DYNAMODB, the VPC endpoint and the security group"
        )
        return StoreError(problem, table, _OPERATION, outcome_unknown=True)
    problem = f"the AWS SDK failed ({error}); whether retrying helps is not known"
    return StoreError(problem, table, _OPERATION, outcome_unknown=True)
