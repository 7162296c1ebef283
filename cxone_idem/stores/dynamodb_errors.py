"""DynamoDB's answers, and the meaning of each of its failures."""

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

from cxone_idem.errors import PROGRAMMING_ERRORS, StoreError
from cxone_idem.protocol.store import ConditionalPut, PutResult
from cxone_idem.record import Record
from cxone_idem.stores.aws_client import NoAnswerInTimeError, NotSentError
from cxone_idem.stores.dynamodb_item import ForeignItemError, Layout
from cxone_idem.text import legible, quoted

Result = PutResult | StoreError


class Source(NamedTuple):
    """Where an answer came from: the table, its attribute names, the operation and the region."""

    table: str
    layout: Layout
    operation: str
    region: str = "unknown"

    def failure(self, problem: str, **evidence: Any) -> StoreError:
        """Return a failure of this operation on this table."""
        return StoreError(problem, self.table, self.operation, **evidence)


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


def refusal(
    put: ConditionalPut, answer: Mapping[str, Any], source: Source, date: int | None
) -> Result:
    """Return the result of a write that was refused by an item, or for want of one."""
    item = answer.get("Item")
    if item is None and put.expected_version is None:
        problem = (
            "the refused write came back without the item that refused it; retrying does not help:"
            " use botocore 1.34 or newer, and an engine that knows"
            " ReturnValuesOnConditionCheckFailure"
        )
        request_id = answer.get("ResponseMetadata", {}).get("RequestId")
        return source.failure(problem, request_id=request_id, retryable=False)
    try:
        existing = read_item(item, put.record.partition_key, source)
    except StoreError as error:
        return error
    return PutResult(written=False, existing=existing, date_seconds=date)


def read_item(item: Any, partition_key: str, source: Source) -> Record | None:
    """Return the record of an item at `partition_key`; None if there is no item.

    Raises `StoreError` if the item is not one of ours, or of another key: then the answer belongs
    to another request.
    """
    key_attribute = source.layout.partition_key
    if item is None:
        return None
    if not isinstance(item, dict) or item.get(key_attribute) != {"S": partition_key}:
        problem = (
            "DynamoDB answered with the item of another key, so the answer belongs to another"
            " request; retrying helps. If processes share this client after a fork, give each"
            " process a client of its own"
        )
        raise source.failure(problem, outcome_unknown=True)
    try:
        return source.layout.to_record(item)
    except ForeignItemError as error:
        problem = (
            f"the item at {quoted(partition_key)} was not written by this library ({error});"
            " retrying does not help: delete the item, or give this consumer a table or"
            " CXONE_IDEM_NAMESPACE of its own"
        )
        raise source.failure(problem, retryable=False) from error


class _Meaning(NamedTuple):
    """Meaning of an error whose code, followed by its message, begins with a pattern."""

    pattern: str
    problem: str
    retryable: bool = False


# A statement of a batch has the same codes in shorter words (`BatchStatementError.Code`).
_MISSING = "ResourceNotFound"
_FORBIDDEN = "(AccessDenied|ExpiredToken|InvalidSignature|UnrecognizedClient)"
# DynamoDB executed nothing: the write met another Region's, or a transaction.
_CONFLICT = "(ReplicatedWriteConflict|TransactionConflict)"
_OTHER_KEY = (
    "Validation.*(missing the key|key element does not match|required keys was not given"
    "|type mismatch for key|number of conditions on the keys)"
)
_FAILED = _Meaning(
    "InternalServerError|ServiceUnavailable",
    "DynamoDB failed ({said}); retrying helps",
    retryable=True,
)
_REJECTED = _Meaning(
    "ItemCollectionSizeLimitExceeded|ValidationError",
    "DynamoDB rejected the request ({said}); retrying does not help",
)
_UNSPECIFIED = _Meaning(
    "",
    "DynamoDB answered with an unknown error ({code}: {said}); retrying may help",
    retryable=True,
)
_MEANINGS = (
    _Meaning(
        _MISSING,
        "there is no such table in region {region} of this account; retrying does not help: set"
        " AWS_REGION to the region of the table, set CXONE_IDEM_TABLE to its name, or create it",
    ),
    _Meaning(
        "Throttling|ProvisionedThroughputExceeded|(Request)?LimitExceeded",
        "DynamoDB throttled the request ({said}); retrying helps: let the message come back, and"
        " give the table on-demand or more capacity if this goes on",
        retryable=True,
    ),
    _Meaning(
        _CONFLICT,
        "another write was made to the item at the same time ({said}); retrying helps",
        retryable=True,
    ),
    _FAILED,
    _Meaning(
        rf"{_FORBIDDEN}.*\bkms\b",
        "AWS refused the caller the table's KMS key ({said}); retrying does not help: allow"
        " kms:Decrypt on the key to the caller's role, in the role and in the key's policy, and"
        " make sure that the key is enabled",
    ),
    _Meaning(
        _FORBIDDEN,
        "AWS refused the caller ({said}); retrying does not help: allow dynamodb:{operation} on the"
        " table to the caller's role, and check that its credentials are still valid",
    ),
    _Meaning(
        _OTHER_KEY,
        "the table's key is not one text attribute of the expected name ({said}); retrying does not"
        " help: use a table without a sort key, and set CXONE_IDEM_PARTITION_KEY to the name of its"
        " partition key (`cxone-idem create-table` makes such a table)",
    ),
    _REJECTED,
)
"""The first that fits is the meaning."""


def concerns_all(error: StoreError) -> bool:
    """Return whether the next write would fail for the same reason, and cost the same time."""
    code = error.code or ""
    if re.match(_CONFLICT, code):
        return False
    return error.retryable or re.match(f"{_MISSING}|{_FORBIDDEN}", code) is not None


def as_store_error(
    error: Exception | Mapping[str, Any], source: Source, attempts: int = 1
) -> StoreError:
    """Return the meaning of a statement's error, or of an error of the SDK after `attempts`."""
    if isinstance(error, Mapping):
        return _answered(error, {}, _UNSPECIFIED, source)
    if isinstance(error, ClientError):
        metadata = error.response.get("ResponseMetadata", {})
        failure = _answered(error.response["Error"], metadata, _REJECTED, source)
    else:
        failure = _unanswered(error, source, attempts)
    failure.__cause__ = error
    return failure


def _answered(
    error: Mapping[str, Any], metadata: Mapping[str, Any], otherwise: _Meaning, source: Source
) -> StoreError:
    code, said = str(error.get("Code", "")), legible(str(error.get("Message", "")))
    is_server_error = metadata.get("HTTPStatusCode", 0) >= 500  # noqa: PLR2004 -- HTTP's own
    meaning = next(
        (each for each in _MEANINGS if re.match(each.pattern, f"{code} {said}", re.IGNORECASE)),
        _FAILED if is_server_error else otherwise,
    )
    retries = metadata.get("RetryAttempts", 0)
    return source.failure(
        meaning.problem.format(
            code=quoted(code), said=said, operation=source.operation, region=source.region
        ),
        code=code,
        request_id=metadata.get("RequestId"),
        # An attempt before this one may have been executed and its answer lost.
        outcome_unknown=is_server_error or retries > 0 or meaning in {_FAILED, _UNSPECIFIED},
        retryable=meaning.retryable,
        attempts=retries + 1,
    )


def _unanswered(error: Exception, source: Source, attempts: int) -> StoreError:
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        problem = f"{error}; retrying does not help: give the consumer a role or credentials"
        return source.failure(problem, retryable=False)
    if isinstance(error, NotSentError):
        problem = (
            "the invocation ends too soon for another request; retrying helps, at the next"
            " delivery: raise the function's time-out if this goes on"
        )
        return source.failure(problem, attempts=0)
    if isinstance(error, (ConnectionError, HTTPClientError, NoAnswerInTimeError)):
        why = str(error) or "no answer in the time that is left of the invocation"
        problem = (
            f"DynamoDB could not be reached ({why}); retrying helps once it can: check the"
            " region, AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_DYNAMODB, the VPC endpoint and the"
            " security group"
        )
        return source.failure(problem, outcome_unknown=True, attempts=attempts)
    mistake = isinstance(error, PROGRAMMING_ERRORS)
    helps = "does not help: look at the client and its hooks" if mistake else "may help"
    problem = f"the AWS SDK failed ({type(error).__name__}: {error}); retrying {helps}"
    return source.failure(problem, outcome_unknown=True, retryable=not mistake)


def changed(error: StoreError, *, outcome_unknown: bool, attempts: int) -> StoreError:
    """Return an error with another outcome and another number of attempts."""
    made = StoreError(*error.args[:5], outcome_unknown, error.retryable, attempts)  # type: ignore[call-arg]
    made.__cause__ = error.__cause__
    return made
