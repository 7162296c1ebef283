"""Several conditional writes in one request: BatchExecuteStatement, or one by one without it."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cxone_idem.dynamodb_answer import FORBIDDEN, date_seconds, from_sdk, read_item
from cxone_idem.errors import StoreError
from cxone_idem.record import NO_VERSION
from cxone_idem.store import Answer, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.item import Item, Layout
    from cxone_idem.store import Store

logger = logging.getLogger("cxone_idem")

_OPERATION = "BatchExecuteStatement"
# The API's limit (BatchExecuteStatement in the DynamoDB API Reference).
_STATEMENTS_MAX = 25
# Every attribute a record can have, so that an update leaves none of an older one standing.
_OPTIONAL = ("claimed_at_ms", "done_at_ms", "origin", "fingerprint", "result")
_LACKING = FORBIDDEN | {"UnknownOperationException", "ValidationException", "ValidationError"}


class StatementBatches:
    """`put_many` of a DynamoDB table. `single` is what writes when batches cannot."""

    def __init__(self, table: str, client: Any, layout: Layout, single: Store) -> None:
        self._table = table
        self._client = client
        self._layout = layout
        self._single = single
        self._works = True

    def put_many(self, writes: Sequence[Write]) -> list[Answer | StoreError]:
        """Do what `put_if` does for each write, of different keys, and answer in their order."""
        answers: list[Answer | StoreError] = []
        for start in range(0, len(writes), _STATEMENTS_MAX):
            answers += self._put_chunk(writes[start : start + _STATEMENTS_MAX])
        return answers

    def _put_chunk(self, writes: Sequence[Write]) -> list[Answer | StoreError]:
        # An item without a version needs a condition that PartiQL's UPDATE has no words for.
        plain = all(write.expected_version != NO_VERSION for write in writes)
        if not (plain and self._works and len(writes) > 1):
            return [self._put_single(write) for write in writes]
        try:
            response = self._client.batch_execute_statement(
                Statements=[_statement(self._table, self._layout, write) for write in writes]
            )
        except ClientError as error:
            return self._without_batch(writes, error.response["Error"].get("Code", ""))
        except BotoCoreError as error:
            failure = from_sdk(error, self._table, _OPERATION)
            return [failure for _ in writes]
        except (TypeError, AssertionError) as error:  # an emulator in this process has no parser
            return self._without_batch(writes, f"ValidationError: {error}")
        return self._read(writes, response)

    def _read(self, writes: Sequence[Write], response: Any) -> list[Answer | StoreError]:
        answers: list[Answer | StoreError] = []
        date = date_seconds(response)
        for write, said in zip(writes, response["Responses"], strict=True):
            error = said.get("Error")
            code = error and error.get("Code")
            if error is None:
                answers.append(Answer(written=True, date_seconds=date))
            elif code == "ConditionalCheckFailed":
                answers.append(self._refused(error.get("Item"), date))
            elif code == "DuplicateItem":
                answers.append(Answer(written=False, told=False, date_seconds=date))
            else:
                # Throttled or forbidden: a single write has the SDK's retries, and tells more.
                answers += self._without_batch([write], code)
        return answers

    def _refused(self, item: Item | None, date: int | None) -> Answer | StoreError:
        try:
            seen = read_item(item, self._layout, self._table, _OPERATION)
        except StoreError as error:
            return error
        return Answer(written=False, seen=seen, date_seconds=date)

    def _without_batch(self, writes: Sequence[Write], code: str) -> list[Answer | StoreError]:
        """Write one by one; for good, if batches are not to be had here.

        What a failed batch may have written carries the same versions, so it is recognised.
        """
        if self._works and code.partition(":")[0] in _LACKING:
            self._works = False
            logger.warning(
                "no batch writes on table %r (%s), so each is a request of its own; if the role"
                " lacks dynamodb:PartiQLInsert or dynamodb:PartiQLUpdate, allowing them makes this"
                " faster",
                self._table,
                code,
            )
        return [self._put_single(write) for write in writes]

    def _put_single(self, write: Write) -> Answer | StoreError:
        try:
            return self._single.put_if(*write)
        except StoreError as error:
            return error


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
