"""The record as a DynamoDB item: attribute names, types and units, in both directions."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

from cxone_idem.record import NO_VERSION, Origin, Record, State

Item = dict[str, Any]
"""Attribute name to typed value, as in `{"id": {"S": "…"}}`."""


# The fields of a record and of an origin that are stored under their own names, and their types.
_REQUIRED = (("version", "S"), ("generation", "N"), ("lease_until_ms", "N"))
_OPTIONAL = (("claimed_at_ms", "N"), ("done_at_ms", "N"), ("fingerprint", "S"), ("result", "S"))
_ORIGIN = tuple(
    (field.name, "N" if field.name in {"receive_count", "sent_at_ms"} else "S")
    for field in fields(Origin)
)
_RECORD = _REQUIRED + _OPTIONAL
_EXPECTED = {"S": "a non-empty string", "N": "a number"}

OPTIONAL_ATTRIBUTES = (*(name for name, _ in _OPTIONAL), "origin")
RESERVED_ATTRIBUTES = frozenset({"state", "origin", *(name for name, _ in _RECORD)})
"""The attribute names a table's partition key and TTL attribute must not have."""

_AT_WORK = frozenset({"INPROGRESS", "IN_PROGRESS"})
"""A `status` that some libraries write before the work is done, Powertools the first of them."""


class ForeignItemError(Exception):
    """An item is not one of ours, nor a marker or a record whose meaning is known."""


class Layout(NamedTuple):
    """The two attribute names that a table decides."""

    partition_key: str = "id"
    ttl_attribute: str = "expires_at"

    def to_item(self, record: Record) -> Item:
        """Return the whole item of `record`; what is None is left out."""
        item: Item = {
            self.partition_key: {"S": record.partition_key},
            "state": {"S": record.state.value},
        }
        _write(record, _RECORD, item)
        if record.expires_at is not None:
            item[self.ttl_attribute] = {"N": str(record.expires_at)}
        origin: Item = {}
        _write(record.origin, _ORIGIN, origin)
        if origin:
            item["origin"] = {"M": origin}
        return item

    def condition(self, expected_version: str | None) -> dict[str, Any]:
        """Return the parameters that let a write through if the item's version is as expected."""
        if expected_version is None:
            return {
                "ConditionExpression": "attribute_not_exists(#key)",
                "ExpressionAttributeNames": {"#key": self.partition_key},
            }
        if expected_version == NO_VERSION:
            return {
                "ConditionExpression": "attribute_exists(#key) AND attribute_not_exists(#version)",
                "ExpressionAttributeNames": {"#key": self.partition_key, "#version": "version"},
            }
        return {
            "ConditionExpression": "#version = :expected",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":expected": {"S": expected_version}},
        }

    def to_record(self, item: Item) -> Record:
        """Return the record of an item; raise `ForeignItemError` if it has none.

        An item without `state` is from before this library: the marker of a check-then-insert
        consumer, or Powertools' record. It is past its retention only if its TTL attribute is a
        number that says so.
        """
        partition_key = _required(item, self.partition_key, "S")
        expires_at = _read(item, self.ttl_attribute, "N")
        if "state" not in item:
            lease_until_ms = _lease_of_older(item, expires_at)
            state = State.DONE if lease_until_ms is None else State.IN_PROGRESS
            # Powertools keeps a result as JSON text too.
            result = _read(item, "data", "S") if "status" in item else None
            lease = lease_until_ms or 0
            return Record(partition_key, state, NO_VERSION, 0, lease, expires_at, result=result)
        state = _required(item, "state", "S")
        if state not in State.__members__:
            message = f"attribute 'state' is none of {', '.join(State.__members__)}"
            raise ForeignItemError(message)
        # The origin is evidence for people and decides nothing: what can be read is enough.
        origin = _member(item.get("origin"), "M")
        return Record(
            partition_key=partition_key,
            state=State(state),
            expires_at=expires_at,
            origin=Origin(**{name: _read(origin, name, type_) for name, type_ in _ORIGIN}),
            **{name: _required(item, name, type_) for name, type_ in _REQUIRED},
            **{name: _read(item, name, type_) for name, type_ in _OPTIONAL},
        )


def _lease_of_older(item: Item, expires_at: int | None) -> int | None:
    """Return the end of the lease of an item without `state`; None if its work is done.

    Powertools' lease is `in_progress_expiration`, or all of the retention where it had no Lambda
    context (`DynamoDBPersistenceLayer._put_record`). Raises `ForeignItemError` if none can be seen.
    """
    if "version" in item:
        message = "it has the attribute 'version' but no 'state'"
        raise ForeignItemError(message)
    status = _member(item.get("status"), "S")
    if not isinstance(status, str) or status.upper() not in _AT_WORK:
        return None
    lease_until_ms = _read(item, "in_progress_expiration", "N")
    if lease_until_ms is None and expires_at is not None:
        lease_until_ms = expires_at * 1000
    if status == "INPROGRESS" and lease_until_ms is not None:
        return int(lease_until_ms)
    # Taken for done, it would drop the event of a worker that may have died.
    message = f"its 'status' is {status}, so another library is or was at work on this key"
    raise ForeignItemError(message)


# A loop: as a comprehension it takes twice as long, and every write goes through it.
def _write(source: Record | Origin, attributes: tuple[tuple[str, str], ...], item: Item) -> None:
    for name, type_ in attributes:
        value = getattr(source, name)
        if value is not None:
            item[name] = {type_: str(value)}


def _required(item: Item, name: str, type_: str) -> Any:
    value = _read(item, name, type_)
    if value is None or value == "":
        message = f"attribute {name!r} is not {_EXPECTED[type_]}"
        raise ForeignItemError(message)
    return value


def _read(item: Any, name: str, type_: str) -> Any:
    """Return the text or the number of an attribute; None if it is of another type."""
    text = _member(_member(item, name), type_)
    if not isinstance(text, str):
        return None
    return _whole(text) if type_ == "N" else text


def _whole(text: str) -> int | None:
    """Return the whole part of a number such as `1`, `1.5` or `1E+20`; None if it is none."""
    try:
        # Not all by `float`, which has 53 bits.
        return int(text) if text.lstrip("-").isdigit() else int(float(text))
    except (ValueError, OverflowError):
        return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
