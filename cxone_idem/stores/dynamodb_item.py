"""The record as a DynamoDB item: attribute names, types and units, in both directions."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

from cxone_idem.record import NO_VERSION, Origin, Record, State

Item = dict[str, Any]
"""Attribute name to typed value, as in `{"id": {"S": "…"}}`."""


class _Attribute(NamedTuple):
    """The field of a record or an origin that is stored under its own name."""

    name: str
    type: str
    is_required: bool = False


_RECORD = (
    _Attribute("version", "S", is_required=True),
    _Attribute("generation", "N", is_required=True),
    _Attribute("lease_until_ms", "N", is_required=True),
    _Attribute("claimed_at_ms", "N"),
    _Attribute("done_at_ms", "N"),
    _Attribute("fingerprint", "S"),
    _Attribute("result", "S"),
)
_ORIGIN = tuple(
    _Attribute(field.name, "N" if field.name in {"receive_count", "sent_at_ms"} else "S")
    for field in fields(Origin)
)
_EXPECTED = {"S": "a non-empty string", "N": "a number"}

OPTIONAL_ATTRIBUTES = (*(each.name for each in _RECORD if not each.is_required), "origin")
RESERVED_ATTRIBUTES = frozenset({"state", "origin", *(each.name for each in _RECORD)})
"""The attribute names a table's partition key and TTL attribute must not have."""

_AT_WORK = frozenset({"INPROGRESS", "IN_PROGRESS"})
"""A `status` that some libraries (Powertools among them) write before the work is done."""


class ForeignItemError(Exception):
    """An item is not one of ours, nor the marker of work that is done."""


class Layout(NamedTuple):
    """The two attribute names that a table decides."""

    partition_key: str = "id"
    ttl_attribute: str = "expires_at"

    def to_item(self, record: Record) -> Item:
        """Return the whole item of `record`; what is None is left out."""
        item = {
            self.partition_key: {"S": record.partition_key},
            "state": {"S": record.state.value},
            **_written(record, _RECORD),
        }
        if record.expires_at is not None:
            item[self.ttl_attribute] = {"N": str(record.expires_at)}
        origin = _written(record.origin, _ORIGIN)
        if origin:
            item["origin"] = {"M": origin}
        return item

    def to_record(self, item: Item) -> Record:
        """Return the record of an item; raise `ForeignItemError` if it has none.

        An item without `state` is the marker a check-then-insert consumer wrote: done, and past
        its retention only if its TTL attribute is a number that says so.
        """
        partition_key = _read(item, _Attribute(self.partition_key, "S", is_required=True))
        expires_at = _read(item, _Attribute(self.ttl_attribute, "N"))
        if "state" not in item:
            _check_marker(item)
            return Record(partition_key, State.DONE, NO_VERSION, 0, 0, expires_at)
        state = _read(item, _Attribute("state", "S", is_required=True))
        if state not in State.__members__:
            message = f"attribute 'state' is none of {', '.join(State.__members__)}"
            raise ForeignItemError(message)
        # The origin is evidence for people and decides nothing: what can be read is enough.
        stored = _member(item.get("origin"), "M")
        return Record(
            partition_key=partition_key,
            state=State(state),
            expires_at=expires_at,
            origin=Origin(**{each.name: _read(stored, each) for each in _ORIGIN}),
            **{each.name: _read(item, each) for each in _RECORD},
        )


def _check_marker(item: Item) -> None:
    """Raise if an item without `state` does not say that the work is done."""
    if "version" in item:
        message = "it has the attribute 'version' but no 'state'"
        raise ForeignItemError(message)
    status = _member(item.get("status"), "S")
    if isinstance(status, str) and status.upper() in _AT_WORK:
        # Taken for done, it would drop the event of a worker that may have died.
        message = f"its 'status' is {status}, so another library is or was at work on this key"
        raise ForeignItemError(message)


def _written(source: Record | Origin, attributes: tuple[_Attribute, ...]) -> Item:
    return {
        name: {type_: str(value)}
        for name, type_, _ in attributes
        if (value := getattr(source, name)) is not None
    }


def _read(item: Any, attribute: _Attribute) -> Any:
    """Return the text or the number of an attribute; None if it is neither and not required."""
    text = _member(_member(item, attribute.name), attribute.type)
    value: str | int | None = text if isinstance(text, str) else None
    if value is not None and attribute.type == "N":
        value = _whole(text)
    if attribute.is_required and value in {None, ""}:
        message = f"attribute {attribute.name!r} is not {_EXPECTED[attribute.type]}"
        raise ForeignItemError(message)
    return value


def _whole(text: str) -> int | None:
    """Return the whole part of a number such as `1`, `1.5` or `1E+20`; None if it is none."""
    try:
        # Not all by `float`, which has 53 bits.
        return int(text) if text.lstrip("-").isdigit() else int(float(text))
    except (ValueError, OverflowError):
        return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
