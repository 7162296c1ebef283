"""What DynamoDB's answers say, and what each of its failures means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple

from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 -- botocore's name
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from cxone_idem.errors import StoreError
from cxone_idem.record import Record
from cxone_idem.stores.aws_client import NoAnswerInTimeError
from cxone_idem.stores.dynamodb_item import ForeignItemError, Layout
from cxone_idem.text import legible, quoted

# A statement of a batch says the same in shorter words (`BatchStatementError.Code`).
_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
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
_MISSING = frozenset({"ResourceNotFound", "ResourceNotFoundException"})
LASTING = FORBIDDEN | _MISSING
"""What every write of this process fails for until somebody changes something."""

# DynamoDB executed nothing: the write met another Region's, or a transaction.
CONFLICTS = frozenset(
    {"ReplicatedWriteConflictException", "TransactionConflict", "TransactionConflictException"}
)
_SERVER_ERRORS = frozenset({"InternalServerError", "ServiceUnavailable"})
# What DynamoDB's ValidationException says of a table whose key is not one text of that name.
_OTHER_KEY = re.compile(
    r"missing the key|key element does not match|required keys was not given|type mismatch for key"
    r"|number of conditions on the keys",
    re.IGNORECASE,
)
_KMS = re.compile(r"\bkms\b", re.IGNORECASE)
_REJECTIONS = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError"})
_KNOWN = _THROTTLED | LASTING | CONFLICTS | _SERVER_ERRORS | _REJECTIONS
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


LEAST_SECONDS = 0.05
"""The least time that a request is worth sending in: a healthy round trip takes a tenth of it."""


class Source(NamedTuple):
    """Where an answer came from: the table, its attribute names and the operation."""

    table: str
    layout: Layout
    operation: str


def read_item(item: Any, partition_key: str, source: Source) -> Record | None:
    """Return the record that an item at `partition_key` stands for; None if there is no item.

    Raises `StoreError` if the item is not one of ours, or of another key: then the answer belongs
    to another request.
    """
    table, layout, operation = source
    if item is None:
        return None
    if not isinstance(item, dict) or item.get(layout.partition_key) != {"S": partition_key}:
        problem = (
            "DynamoDB answered with the item of another key, so the answer belongs to another"
            " request; retrying helps. If processes share this client after a fork, give each"
            " process a client of its own"
        )
        raise StoreError(problem, table, operation, outcome_unknown=True)
    try:
        return layout.to_record(item)
    except ForeignItemError as error:
        where = next(iter(item.get(layout.partition_key, {}).values()), "?")
        problem = (
            f"the item at {quoted(str(where))} was not written by this library ({error}); retrying"
            " does not help: delete the item, or give this consumer a table or"
            " CXONE_IDEM_NAMESPACE of its own"
        )
        raise StoreError(problem, table, operation, retryable=False) from error


def from_response(error: ClientError, table: str, operation: str) -> StoreError:
    """Turn an error that DynamoDB answered with into a `StoreError`."""
    code = error.response["Error"].get("Code", "")
    said = legible(error.response["Error"].get("Message", ""))
    metadata = error.response.get("ResponseMetadata", {})
    server_error = metadata.get("HTTPStatusCode", 0) >= _SERVER_ERROR_STATUS
    failure = _failure(code, said, operation, server_error=server_error)
    return StoreError(
        failure.problem,
        table,
        operation,
        code,
        metadata.get("RequestId"),
        # An attempt before this one may have been executed and its answer lost.
        server_error or metadata.get("RetryAttempts", 0) > 0,
        failure.retryable,
        metadata.get("RetryAttempts", 0) + 1,
    )


def from_statement(error: Mapping[str, Any], table: str, operation: str) -> StoreError:
    """Turn the error of one statement of a batch into a `StoreError`."""
    code, said = str(error.get("Code", "")), str(error.get("Message", ""))
    if code not in _KNOWN:
        problem = (
            f"DynamoDB answered with an error that nobody specified ({quoted(code)}:"
            f" {legible(said)}); whether retrying helps is not known"
        )
        return StoreError(problem, table, operation, code, outcome_unknown=True)
    server_error = code in _SERVER_ERRORS
    failure = _failure(code, said, operation, server_error=server_error)
    return StoreError(
        failure.problem, table, operation, code, None, server_error, failure.retryable
    )


class _Failure(NamedTuple):
    problem: str
    retryable: bool


_MEANINGS = (
    (
        _MISSING,
        (
            "there is no such table in this account and region; retrying does not help: create it"
            " or set CXONE_IDEM_TABLE and AWS_REGION"
        ),
        False,
    ),
    (
        _THROTTLED,
        (
            "DynamoDB throttled the request ({said}); retrying helps: let the message come back,"
            " and give the table on-demand or more capacity if this goes on"
        ),
        True,
    ),
    (CONFLICTS, "another write got in the way ({said}); retrying helps", True),
)
"""What DynamoDB's error codes mean, and whether retrying helps."""

_FORBIDDEN_ADVICE = (
    "AWS refused the caller ({said}); retrying does not help: allow dynamodb:{operation} on the"
    " table to the caller's role, and check that its credentials are still valid"
)
_KMS_ADVICE = (
    "AWS refused the caller the table's KMS key ({said}); retrying does not help: allow"
    " kms:Decrypt on the key to the caller's role, in the role and in the key's policy, and make"
    " sure that the key is enabled"
)
_OTHER_KEY_ADVICE = (
    "the table's key is not one text attribute of the expected name ({said}); retrying does not"
    " help: use a table without a sort key, and set CXONE_IDEM_PARTITION_KEY to the name of its"
    " partition key (`cxone-idem create-table` makes such a table)"
)
_REJECTED = "DynamoDB rejected the request ({said}); retrying does not help"


def _failure(code: str, said: str, operation: str, *, server_error: bool) -> _Failure:
    for codes, problem, retryable in _MEANINGS:
        if code in codes:
            return _Failure(problem.format(said=said, operation=operation), retryable)
    if server_error:
        return _Failure(f"DynamoDB failed ({said}); retrying helps", retryable=True)
    if code in FORBIDDEN:
        problem = _KMS_ADVICE if _KMS.search(said) else _FORBIDDEN_ADVICE
        return _Failure(problem.format(said=said, operation=operation), retryable=False)
    problem = _OTHER_KEY_ADVICE if _OTHER_KEY.search(said) else _REJECTED
    return _Failure(problem.format(said=said), retryable=False)


def no_time_error(source: Source) -> StoreError:
    """Return the failure of a request that was not sent for want of time."""
    problem = (
        "the invocation ends too soon for another request; retrying helps, at the next delivery:"
        " raise the function's time-out if this goes on"
    )
    return StoreError(problem, source.table, source.operation, attempts=0)


def as_store_error(error: Exception, source: Source, attempts: int) -> StoreError:
    """Return what an error of the SDK, after `attempts` of its own, means to the caller."""
    if isinstance(error, ClientError):
        failure = from_response(error, source.table, source.operation)
    else:
        failure = from_sdk(error, source.table, source.operation, attempts)
    failure.__cause__ = error
    return failure


def from_sdk(error: Exception, table: str, operation: str, attempts: int = 1) -> StoreError:
    """Turn a failure to get any answer, after `attempts` of the SDK, into a `StoreError`."""
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        problem = f"{error}; retrying does not help: give the consumer a role or credentials"
        return StoreError(problem, table, operation, retryable=False)
    if isinstance(error, (ConnectionError, HTTPClientError, NoAnswerInTimeError)):
        why = str(error) or "no answer in the time that is left of the invocation"
        problem = (
            f"DynamoDB could not be reached ({why}); retrying helps once it can: check the"
            " region, AWS_ENDPOINT_URL_DYNAMODB, the VPC endpoint and the security group"
        )
        return StoreError(problem, table, operation, outcome_unknown=True, attempts=attempts)
    kind = type(error).__name__
    problem = f"the AWS SDK failed ({kind}: {error}); whether retrying helps is not known"
    return StoreError(problem, table, operation, outcome_unknown=True)
