"""Several conditional writes in one BatchExecuteStatement: its statements, and its answer read."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cxone_idem.protocol.store import Budget, ConditionalPut, PutResult
from cxone_idem.stores.aws_client import BoundedClient, NoAnswerInTimeError
from cxone_idem.stores.dynamodb_errors import (
    Result,
    Source,
    as_store_error,
    date_seconds,
    refusal,
)
from cxone_idem.stores.dynamodb_item import OPTIONAL_ATTRIBUTES, Layout
from cxone_idem.text import counted

logger = logging.getLogger("cxone_idem")

STATEMENTS_MAX = 25
"""The API's limit (BatchExecuteStatement in the DynamoDB API Reference)."""

_OPERATION = "BatchExecuteStatement"
# Roles and engines change: what a batch could not do is tried again after so long.
_OFF_SECONDS = 300
_REFUSALS = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
_FORBIDDEN = "AccessDenied"
# moto's server has a bare 500 for what it cannot parse; DynamoDB's own has a name in its body.
_WITHOUT_PARTIQL = re.compile(f"{_FORBIDDEN}|UnknownOperation|Validation|500$")
_ADVICE = "allowing dynamodb:PartiQLInsert and dynamodb:PartiQLUpdate to the role makes this faster"


class NoBatchesError(Exception):
    """The role or the engine has no BatchExecuteStatement for these writes."""


class Batches:
    """Batches of one table: whether it has them, and what a refusal in one says."""

    def __init__(
        self, source: Source, client: BoundedClient, monotonic: Callable[[], float]
    ) -> None:
        self._source = source._replace(operation=_OPERATION)
        self._client = client
        self._monotonic = monotonic
        self._off_until_seconds = 0.0
        self._updates_return_items = True
        """A refused UPDATE comes with its item, as far as is known."""

    def are_off(self) -> bool:
        """Return whether a batch failed lately where single writes went through."""
        return self._monotonic() < self._off_until_seconds

    def put(self, puts: Sequence[ConditionalPut], budget: Budget) -> list[Result | None]:
        """Write on each condition; None where only a PutItem can get a result.

        Raises `NoBatchesError` if that cannot be done here, but single writes perhaps can.
        """
        results = self._send(puts, budget)
        unknown = [n for n, result in enumerate(results) if result is None]
        if len(unknown) > 1 and self._updates_return_items:
            asked = self._ask([puts[n] for n in unknown], budget)
            for n, result in zip(unknown, asked, strict=True):
                results[n] = result
        return results

    def note_refusal(self, put: ConditionalPut, result: Result) -> None:
        """Note that a single write's result had an item where the batch's refusal had none."""
        if put.expected_version and isinstance(result, PutResult) and result.existing:
            self._updates_return_items = False

    def switch_off(self, why: NoBatchesError) -> None:
        """Send no batches for a while: single writes went through where one could not be sent."""
        self._off_until_seconds = self._monotonic() + _OFF_SECONDS
        if str(why).startswith(_FORBIDDEN):
            level, advice = logging.WARNING, _ADVICE
        else:
            level, advice = logging.INFO, "the engine has none, as moto"
        message = "no batch writes on table %r (%s), so each is a request of its own; %s"
        logger.log(level, message, self._source.table, why, advice)

    def _ask(self, puts: Sequence[ConditionalPut], budget: Budget) -> list[Result | None]:
        """Ask for the items that refused an INSERT, by an UPDATE over the writes' own versions.

        It is refused with the item that is stored, or carried out where the write had landed.
        """
        over = [ConditionalPut(put.record, put.record.version) for put in puts]
        try:
            results = self._send(over, budget)
        except NoBatchesError:
            return [None for _ in puts]
        # An item was there a moment ago: a batch that refuses without one never returns any.
        self._updates_return_items = None not in results
        return [
            result._replace(written=False, existing=put.record)
            if isinstance(result, PutResult) and result.written
            else result
            for put, result in zip(puts, results, strict=True)
        ]

    def _send(self, puts: Sequence[ConditionalPut], budget: Budget) -> list[Result | None]:
        """Send one request; None is a refusal without its item."""
        table, layout, *_ = self._source
        left_seconds = budget.seconds_left()
        statements = [_statement(table, layout, put) for put in puts]
        try:
            response = self._client.send(
                "batch_execute_statement", left_seconds, Statements=statements
            )
        except Exception as error:
            failure = as_store_error(error, self._source, self._client.attempts)
            known = isinstance(error, (BotoCoreError, NoAnswerInTimeError)) or (
                isinstance(error, ClientError) and not _WITHOUT_PARTIQL.match(failure.code or "")
            )
            if known:
                return [failure for _ in puts]
            raise NoBatchesError(failure.code or type(error).__name__) from error
        return _read_response(puts, response, self._source)


def _read_response(
    puts: Sequence[ConditionalPut], response: Any, source: Source
) -> list[Result | None]:
    """Return what a batch's response says of each write; None is a refusal without its item.

    An INSERT is refused without it ("DuplicateItem"); an UPDATE's item came along on some days and
    in some Regions, and on others did not.
    """
    answers = response.get("Responses") if isinstance(response, dict) else None
    if not isinstance(answers, list) or len(answers) != len(puts):
        found = counted(len(answers) if isinstance(answers, list) else 0, "response")
        problem = (
            f"DynamoDB's answer has {found}, expected {len(puts)}; retrying helps if"
            " the endpoint is DynamoDB: check AWS_ENDPOINT_URL_DYNAMODB"
        )
        return [source.failure(problem, outcome_unknown=True) for _ in puts]
    date = date_seconds(response)
    each = zip(puts, answers, strict=True)
    return [_read_answer(put, answer, source, date) for put, answer in each]


def _read_answer(
    put: ConditionalPut, answer: Any, source: Source, date: int | None
) -> Result | None:
    error = answer.get("Error") if isinstance(answer, dict) else {"Message": repr(answer)}
    if error is None:
        return PutResult(written=True, date_seconds=date)
    if not isinstance(error, dict):
        error = {"Message": repr(error)}
    if error.get("Code") not in _REFUSALS:
        return as_store_error(error, source)
    return None if error.get("Item") is None else refusal(put, error, source, date)


def _statement(table: str, layout: Layout, put: ConditionalPut) -> dict[str, Any]:
    item = layout.to_item(put.record)
    if put.expected_version is None:
        return {"Statement": _insert(table, tuple(item)), "Parameters": list(item.values())}
    key = item.pop(layout.partition_key)
    # An update leaves none of an older record's attributes behind.
    optional = (*OPTIONAL_ATTRIBUTES, layout.ttl_attribute)
    absent = tuple(name for name in optional if name not in item)
    return {
        "Statement": _update(table, layout.partition_key, tuple(item), absent),
        "Parameters": [*item.values(), key, {"S": put.expected_version}],
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


@lru_cache(maxsize=64)
def _insert(table: str, names: tuple[str, ...]) -> str:
    values = ", ".join(f"{_quoted(name, chr(39))}: ?" for name in names)
    return f"INSERT INTO {_quoted(table)} VALUE {{{values}}}"


@lru_cache(maxsize=64)
def _update(table: str, key: str, names: tuple[str, ...], absent: tuple[str, ...]) -> str:
    sets = " ".join(f"SET {_quoted(name)}=?" for name in names)
    removes = " ".join(f"REMOVE {_quoted(name)}" for name in absent)
    where = f"WHERE {_quoted(key)}=? AND {_quoted('version')}=?"
    return f"UPDATE {_quoted(table)} {sets} {removes} {where}"


def _quoted(name: str, quote: str = '"') -> str:
    return quote + name.replace(quote, quote * 2) + quote
