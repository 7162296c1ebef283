"""The record as a DynamoDB item: attribute names, types and units, in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from cxone_idem.record import NO_VERSION, Origin, Record, State

Item = dict[str, Any]
"""Attribute name to typed value, as in `{"id": {"S": "…"}}`."""

RESERVED_ATTRIBUTES = frozenset(
    {
        "state",
        "version",
        "generation",
        "lease_until_ms",
        "claimed_at_ms",
        "done_at_ms",
        "origin",
        "fingerprint",
        "result",
    }
)
"""The attribute names a table's partition key and TTL attribute must not have."""

_AT_WORK = frozenset({"INPROGRESS", "IN_PROGRESS"})
"""A `status` that some libraries (Powertools among them) write before the work is done."""

_ORIGIN_FIELDS = tuple(field.name for field in fields(Origin))
_ORIGIN_NUMBERS = frozenset({"receive_count", "sent_at_ms"})


class ForeignItemError(Exception):
    """An item is not one of ours, nor the marker of work that is done."""


class Layout(NamedTuple):
    """The two attribute names that a table decides."""

    partition_key: str = "id"
    ttl_attribute: str = "expires_at"

    def to_item(self, record: Record) -> Item:
        """Return the whole item that stands for `record`; what is None is left out."""
        item: Item = {
            self.partition_key: {"S": record.partition_key},
            "state": {"S": record.state.value},
            "version": {"S": record.version},
            "generation": {"N": str(record.generation)},
            "lease_until_ms": {"N": str(record.lease_until_ms)},
        }
        _add_number(item, self.ttl_attribute, record.expires_at)
        _add_number(item, "claimed_at_ms", record.claimed_at_ms)
        _add_number(item, "done_at_ms", record.done_at_ms)
        origin = _origin_to_map(record.origin)
        if origin:
            item["origin"] = {"M": origin}
        if record.fingerprint is not None:
            item["fingerprint"] = {"S": record.fingerprint}
        if record.result is not None:
            item["result"] = {"S": record.result}
        return item

    def to_record(self, item: Mapping[str, Any]) -> Record:
        """Return the record an item stands for; raise `ForeignItemError` if it stands for none.

        An item without `state` is the marker a check-then-insert consumer wrote: done, and past
        its retention only if its TTL attribute is a number that says so.
        """
        partition_key = _text(item, self.partition_key)
        if "state" not in item:
            _check_marker(item)
            return _marker(partition_key, item.get(self.ttl_attribute))
        try:
            state = State(_text(item, "state"))
        except ValueError:
            message = f"attribute 'state' is none of {', '.join(State.__members__)}"
            raise ForeignItemError(message) from None
        return Record(
            partition_key=partition_key,
            state=state,
            version=_text(item, "version"),
            generation=_required_number(item, "generation"),
            lease_until_ms=_required_number(item, "lease_until_ms"),
            expires_at=_number(item.get(self.ttl_attribute)),
            claimed_at_ms=_number(item.get("claimed_at_ms")),
            done_at_ms=_number(item.get("done_at_ms")),
            origin=_origin_from_map(item.get("origin")),
            fingerprint=_optional_text(item.get("fingerprint")),
            result=_optional_text(item.get("result")),
        )


def _check_marker(item: Mapping[str, Any]) -> None:
    """Raise if an item without `state` does not say that the work is done."""
    if "version" in item:
        message = "it has the attribute 'version' but no 'state'"
        raise ForeignItemError(message)
    status = _member(item.get("status"), "S")
    if isinstance(status, str) and status.upper() in _AT_WORK:
        # Taken for done, it would drop the event of a worker that may have died.
        message = f"its 'status' is {status}, so another library is or was at work on this key"
        raise ForeignItemError(message)


def _marker(partition_key: str, ttl: Any) -> Record:
    return Record(
        partition_key=partition_key,
        state=State.DONE,
        version=NO_VERSION,
        generation=0,
        lease_until_ms=0,
        expires_at=_number(ttl),
    )


def _origin_to_map(origin: Origin) -> Item:
    typed: Item = {}
    for name in _ORIGIN_FIELDS:
        value = getattr(origin, name)
        if value is not None:
            typed[name] = {"N" if name in _ORIGIN_NUMBERS else "S": str(value)}
    return typed


def _origin_from_map(attribute: Any) -> Origin:
    """Read what can be read: the origin is evidence for people and decides nothing."""
    members = _member(attribute, "M")
    known: dict[str, Any] = {}
    for name in _ORIGIN_FIELDS:
        typed = _member(members, name)
        if name in _ORIGIN_NUMBERS:
            known[name] = _number(typed)
        else:
            known[name] = _optional_text(typed)
    return Origin(**known)


def _add_number(item: Item, name: str, value: int | None) -> None:
    if value is not None:
        item[name] = {"N": str(value)}


def _text(item: Mapping[str, Any], name: str) -> str:
    value = _member(item.get(name), "S")
    if not isinstance(value, str) or not value:
        message = f"attribute {name!r} is not a non-empty string"
        raise ForeignItemError(message)
    return value


def _optional_text(attribute: Any) -> str | None:
    text = _member(attribute, "S")
    return text if isinstance(text, str) else None


def _required_number(item: Mapping[str, Any], name: str) -> int:
    value = _number(item.get(name))
    if value is None:
        message = f"attribute {name!r} is not a number"
        raise ForeignItemError(message)
    return value


def _number(attribute: Any) -> int | None:
    text = _member(attribute, "N")
    if not isinstance(text, str):
        return None
    try:
        return int(text)
    except ValueError:
        return _rounded_down(text)


def _rounded_down(text: str) -> int | None:
    """Return the whole part of a number such as `1.5` or `1E+20`."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
