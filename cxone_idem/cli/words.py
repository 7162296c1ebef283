"""A record in words."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from cxone_idem import protocol
from cxone_idem.errors import shortened
from cxone_idem.record import NO_VERSION, Origin, State

if TYPE_CHECKING:
    from cxone_idem.record import Record

_ORIGIN = {
    "event_id": "EventBridge event",
    "message_id": "SQS message",
    "receive_count": "receive count",
    "sent_at_ms": "sent",
    "replay_name": "archive replay",
    "request_id": "Lambda request",
}
# From two of a unit on it is the one people count in.
_UNITS = (("days", 86_400), ("h", 3600), ("min", 60))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def describe(record: Record, now_ms: int) -> list[tuple[str, str]]:
    """Return what a record says, as a name and a text each; `now_ms` is the store's own time."""
    rows = [("record", record.partition_key), ("state", state(record, now_ms))]
    if record.version == NO_VERSION:
        rows.append(("version", "none: a marker that a consumer wrote before this library"))
    else:
        rows += [
            ("generation", _generation(record.generation)),
            ("claimed for", origin(record.origin)),
            ("claimed", _when(record.claimed_at_ms, now_ms)),
            ("lease", _lease(record, now_ms)),
            ("done", _when(record.done_at_ms, now_ms)),
        ]
    return [*rows, ("retention", _retention(record, now_ms))]


def state(record: Record, now_ms: int) -> str:
    """Say where the work stands, and what the next delivery of the key meets."""
    if record.state is State.RELEASED and record.done_at_ms is not None:
        return "RELEASED: done, and made free to run again"
    if record.state is State.RELEASED:
        return "RELEASED: given up undone, free for the next delivery"
    if record.state is State.DONE:
        if protocol.is_past_retention(record, now_ms):
            return "DONE, but past its retention: the next delivery does the work again"
        return "DONE: every further delivery is dropped"
    if protocol.is_lease_over(record, now_ms):
        return "IN_PROGRESS, but its lease is over: the next delivery takes over"
    return "IN_PROGRESS: a worker has it, and every other delivery waits for it"


def origin(delivery: Origin) -> str:
    """Say whose delivery it was."""
    parts = []
    for field in fields(Origin):
        value = getattr(delivery, field.name)
        if value is not None:
            text = moment(value) if field.name.endswith("_at_ms") else shortened(str(value))
            parts.append(f"{_ORIGIN.get(field.name, field.name)} {text}")
    return ", ".join(parts) or "not recorded"


def duration(milliseconds: int) -> str:
    """Say how long that is, in the unit people count it in."""
    seconds = abs(milliseconds) / 1000
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(at_ms: int) -> str:
    """Say when that was, in UTC."""
    try:
        return f"{_EPOCH + timedelta(milliseconds=at_ms):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{at_ms} ms, past the year 9999"


def _when(at_ms: int | None, now_ms: int) -> str:
    return "not recorded" if at_ms is None else f"{moment(at_ms)}, {_ago(at_ms, now_ms)}"


def _ago(at_ms: int, now_ms: int) -> str:
    return (
        f"{duration(now_ms - at_ms)} ago" if at_ms <= now_ms else f"in {duration(at_ms - now_ms)}"
    )


def _generation(generation: int) -> str:
    if generation == 1:
        return "1: the first attempt"
    return f"{generation}: attempted {generation} times, or once more after each retention"


def _lease(record: Record, now_ms: int) -> str:
    if record.state is not State.IN_PROGRESS:
        return "none"
    if protocol.is_lease_over(record, now_ms):
        return f"over since {_when(record.lease_until_ms, now_ms)}"
    return f"ends in at most {duration(record.lease_until_ms - now_ms)}"


def _retention(record: Record, now_ms: int) -> str:
    if record.expires_at is None:
        return "no end"
    at_ms = record.expires_at * 1000
    return f"until {_when(at_ms, now_ms)}"
