"""Several conditional writes in one BatchExecuteStatement: its statements, and its answer read."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cxone_idem.dynamodb_answer import Source, date_seconds, from_statement, read_item
from cxone_idem.errors import StoreError
from cxone_idem.store import Answer, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxone_idem.item import Layout

OPERATION = "BatchExecuteStatement"
STATEMENTS_MAX = 25
"""The API's limit (BatchExecuteStatement in the DynamoDB API Reference)."""

# Every attribute a record can have, so that an update leaves none of an older one standing.
_OPTIONAL = ("claimed_at_ms", "done_at_ms", "origin", "fingerprint", "result")
_REFUSALS = frozenset({"ConditionalCheckFailed", "DuplicateItem"})


def statements(table: str, layout: Layout, writes: Sequence[Write]) -> list[dict[str, Any]]:
    """Return the statements that do what `put_if` does for each write."""
    return [_statement(table, layout, write) for write in writes]


def read_response(
    writes: Sequence[Write], response: Any, source: Source
) -> list[Answer | StoreError | None]:
    """Return what a batch's response says of each write; None is a refusal without its item.

    An INSERT is refused without it ("DuplicateItem"); an UPDATE's item came along on some days and
    in some Regions, and on others did not.
    """
    answers = response.get("Responses") if isinstance(response, dict) else None
    if not isinstance(answers, list) or len(answers) != len(writes):
        count = len(answers) if isinstance(answers, list) else "no"
        problem = (
            f"DynamoDB's answer has {count} responses, expected {len(writes)}; retrying helps if"
            " the endpoint is DynamoDB: check AWS_ENDPOINT_URL_DYNAMODB"
        )
        unread = StoreError(problem, source.table, OPERATION, outcome_unknown=True)
        return [unread for _ in writes]
    date = date_seconds(response)
    return [
        _read_answer(write, answer, source, date)
        for write, answer in zip(writes, answers, strict=True)
    ]


def _read_answer(
    write: Write, answer: Any, source: Source, date: int | None
) -> Answer | StoreError | None:
    error = answer.get("Error") if isinstance(answer, dict) else {"Message": repr(answer)}
    if error is None:
        return Answer(written=True, date_seconds=date)
    if not isinstance(error, dict):
        error = {"Message": repr(error)}
    if error.get("Code") not in _REFUSALS:
        return from_statement(error, source.table, OPERATION)
    return _refused(write, error, source, date)


def _refused(
    write: Write, error: Mapping[str, Any], source: Source, date: int | None
) -> Answer | StoreError | None:
    if error.get("Item") is None:
        return None
    try:
        seen = read_item(error["Item"], write.record.partition_key, source)
    except StoreError as failure:
        return failure
    return Answer(written=False, seen=seen, date_seconds=date)


def _statement(table: str, layout: Layout, write: Write) -> dict[str, Any]:
    item = layout.to_item(write.record)
    if write.expected_version is None:
        return {"Statement": _insert(table, tuple(item)), "Parameters": list(item.values())}
    key = item.pop(layout.partition_key)
    absent = tuple(name for name in (*_OPTIONAL, layout.ttl_attribute) if name not in item)
    return {
        "Statement": _update(table, layout.partition_key, tuple(item), absent),
        "Parameters": [*item.values(), key, {"S": write.expected_version}],
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
