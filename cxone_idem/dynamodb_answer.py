"""What DynamoDB's answers say, and what each of its failures means."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 -- botocore's name
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from cxone_idem.errors import StoreError, legible, quoted
from cxone_idem.item import ForeignItemError, Item, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxone_idem.record import Record

_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    }
)
FORBIDDEN = frozenset(
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


def date_seconds(response: Mapping[str, Any]) -> int | None:
    """Return the `Date` of an answer in epoch seconds; None if it has none."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return _epoch_seconds(date) if date else None


# Many answers come in one second, and parsing a date costs more than all else done with an answer.
@lru_cache(maxsize=4)
def _epoch_seconds(date: str) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except ValueError:
        return None


def read_item(item: Item | None, layout: Layout, table: str, operation: str) -> Record | None:
    """Return the record that an item stands for; raise `StoreError` if it is not one of ours."""
    if item is None:
        return None
    try:
        return layout.to_record(item)
    except ForeignItemError as error:
        where = next(iter(item.get(layout.partition_key, {}).values()), "?")
        problem = (
            f"the item at {quoted(str(where))} was not written by this library ({error}); retrying"
            " does not help: delete the item, or give this consumer a table or"
            " CXONE_IDEM_NAMESPACE of its own"
        )
        raise StoreError(problem, table, operation) from error


def is_untried_conflict(error: ClientError) -> bool:
    """Tell whether a write was rejected because it met another, and the SDK left it at that.

    botocore retries `ReplicatedWriteConflictException` since its model calls it retryable (1.44
    does, 1.38 did not) and `TransactionConflictException` never.
    """
    metadata = error.response.get("ResponseMetadata", {})
    return (
        error.response["Error"].get("Code") in _CONFLICTS and metadata.get("RetryAttempts", 0) == 0
    )


def from_response(error: ClientError, table: str, operation: str) -> StoreError:
    """Turn an error that DynamoDB answered with into a `StoreError`."""
    code = error.response["Error"].get("Code", "")
    said = legible(error.response["Error"].get("Message", ""))
    metadata = error.response.get("ResponseMetadata", {})
    server_error = metadata.get("HTTPStatusCode", 0) >= _SERVER_ERROR_STATUS
    if code == "ResourceNotFoundException":
        problem = (
            "there is no such table in this account and region; retrying does not help: create it"
            " or set CXONE_IDEM_TABLE and AWS_REGION"
        )
    elif code in FORBIDDEN:
        problem = (
            f"AWS refused the caller ({said}); retrying does not help: allow dynamodb:"
            f"{operation} on the table to the caller's role"
        )
    elif code in _THROTTLED:
        problem = (
            f"DynamoDB throttled the request ({said}); retrying helps: let the message come back,"
            " and give the table on-demand or more capacity if this goes on"
        )
    elif code in _CONFLICTS:
        problem = f"another write got in the way ({said}); retrying helps"
    elif server_error:
        problem = f"DynamoDB failed ({said}); retrying helps"
    else:
        problem = f"DynamoDB rejected the request ({said}); retrying does not help"
    return StoreError(
        problem,
        table,
        operation,
        code,
        metadata.get("RequestId"),
        # An attempt before this one may have been executed and its answer lost.
        server_error or metadata.get("RetryAttempts", 0) > 0,
    )


def from_sdk(error: BotoCoreError, table: str, operation: str) -> StoreError:
    """Turn a failure to get any answer into a `StoreError`."""
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        problem = f"{error}; retrying does not help: give the consumer a role or credentials"
        return StoreError(problem, table, operation)
    if isinstance(error, (ConnectionError, HTTPClientError)):
        problem = (
            f"DynamoDB could not be reached ({error}); retrying helps once it can: check the"
            " region, AWS_ENDPOINT_URL_DYNAMODB, the VPC endpoint and the security group"
        )
        return StoreError(problem, table, operation, outcome_unknown=True)
    problem = f"the AWS SDK failed ({error}); whether retrying helps is not known"
    return StoreError(problem, table, operation, outcome_unknown=True)
