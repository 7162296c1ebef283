"""Duplicates in log lines and exported records, however they were exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any, NamedTuple

from cxone_idem.cause import Cause, find_cause
from cxone_idem.record import Record
from cxone_idem.sqs.logs import FIELD
from cxone_idem.sqs.outcome import MessageStatus
from cxone_idem.stores.dynamodb_item import ForeignItemError, Layout

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s?(?:(Z)|([+-]\d\d):?(\d\d))?"
)
# What the AWS CLI prints of no log lines.
_NOTHING = {"", "[]", "None"}
_OPENING = {"{", "["}
_ROW = {"field", "value"}
# Of epoch seconds, milliseconds and nanoseconds alike: the year 5138.
_SECONDS_MAX, _MS_MAX, _NANOSECONDS_MAX = 10**11, 10**14, 10**20
_COUNTED = {
    MessageStatus.ALREADY_DONE.value,
    MessageStatus.SAME_BATCH.value,
    MessageStatus.FINGERPRINT_MISMATCH.value,
}
_CAUSES = {cause.value: cause for cause in Cause}


class Duplicate(NamedTuple):
    """A delivery that came although its key was taken."""

    at_ms: int | None
    cause: Cause
    key: str
    fields: dict[str, Any]
    """The ids and times of both deliveries, as far as they are known."""


class LogReader:
    """Reads lines; keeps the duplicates in them, and counts what it could read."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.duplicates: list[Duplicate] = []
        self.lines = 0
        """Lines with anything in them."""
        self.log_lines = 0
        """Lines that this library wrote about messages and batches."""
        self.records = 0
        self.waiting = 0
        """Deliveries that found their key in progress: each comes back, and is counted then."""
        self.objects = 0
        """JSON objects of any kind."""
        self.skipped = 0
        """Lines that are JSON, but not as this library writes them."""
        self.mismatches: dict[str, Duplicate] = {}
        """Messages of other content than their key's, by their id: they are no duplicates."""
        self._events: dict[str, Record] = {}

    def read(self, lines: Iterable[str]) -> None:
        """Read the lines of a log, of an export of a log, or of an export of the table."""
        for line in _without_layout(lines):
            self.lines += line.strip() not in _NOTHING
            try:
                self._read_value(line, None)
            except RecursionError:
                self.skipped += 1

    def _read_value(self, value: Any, at_ms: int | None) -> None:
        if isinstance(value, str):
            for inner in _json_in(value):
                self._read_value(inner, at_ms)
        elif isinstance(value, list):
            for inner in [_row(value)] if _is_row(value) else value:
                self._read_value(inner, at_ms)
        elif isinstance(value, dict):
            self.objects += 1
            self._read_object(value, at_ms)

    def _read_object(self, value: dict[str, Any], at_ms: int | None) -> None:
        written = _time_ms(value.get("timestamp", value.get("@timestamp")))
        at_ms = at_ms if written is None else written
        if isinstance(value.get(FIELD), dict):
            self._read_log_line(value[FIELD], at_ms)
            return
        item = value.get("Item", value)
        if isinstance(item, dict) and isinstance(item.get(self._layout.partition_key), dict):
            self._read_item(item)
            return
        # Where CloudWatch puts the text of a log line, and where the AWS CLI puts lists.
        for name in ("message", "@message"):
            if isinstance(value.get(name), str):
                self._read_value(value[name], at_ms)
        for name in ("events", "results", "Items"):
            if isinstance(value.get(name), list):
                self._read_value(value[name], at_ms)

    def _read_log_line(self, fields: dict[str, Any], at_ms: int | None) -> None:
        status, name = fields.get("status"), fields.get("cause", "")
        if not (isinstance(name, str) and isinstance(fields.get("status", ""), str)):
            self.skipped += 1
            return
        self.log_lines += 1
        self.waiting += status == MessageStatus.IN_PROGRESS.value
        cause = _CAUSES.get(name)
        if cause is None or status not in _COUNTED:
            return
        known = {name: value for name, value in fields.items() if name not in {"status", "cause"}}
        if at_ms is None:
            at_ms = _sent_ms(fields.get("sent_at_ms"))
        found = Duplicate(at_ms, cause, str(fields.get("key")), known)
        if cause.is_duplicate:
            self.duplicates.append(found)
        else:
            # It fails as often as its queue lets it come back, and is one event all the same.
            self.mismatches.setdefault(str(fields.get("message_id")), found)

    def _read_item(self, item: dict[str, Any]) -> None:
        try:
            record = self._layout.to_record(item)
        except ForeignItemError:
            return
        self.records += 1
        origin, key = record.origin, record.partition_key
        known = {name: each for name, each in asdict(origin).items() if each is not None}
        first = self._events.setdefault(origin.event_id, record) if origin.event_id else record
        if first is not record:
            cause = find_cause(first.origin, origin)
            known["first_key"] = first.partition_key
        elif origin.replay_name:
            cause = Cause.ARCHIVE_REPLAY
        elif (origin.receive_count or 1) > 1:
            cause = Cause.SQS_REDELIVERED
        else:
            return
        self.duplicates.append(Duplicate(_sent_ms(record.claimed_at_ms), cause, key, known))


def _json_in(text: str) -> Iterator[Any]:
    """Yield each JSON object in a line: after a prefix, one after another, or quoted in a list."""
    text = text.strip().rstrip(",")
    position = 0 if text.startswith(('"', "[")) else text.find("{")
    while position >= 0:
        try:
            value, position = json.JSONDecoder().raw_decode(text, position)
        except (ValueError, RecursionError):
            if text[position] != "[":
                return
        else:
            yield value
        position = text.find("{", position)


def _without_layout(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines; those of one document over several lines, as the AWS CLI lays it out, as one."""
    lines = iter(lines)
    for line in lines:
        if line.strip() not in _OPENING:
            yield line
            continue
        rest = [line, *lines]
        text = "".join(rest)
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            yield from rest
        else:
            yield text


def _is_row(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(one, dict) and {*one} == _ROW for one in value)


def _row(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a row of Logs Insights as an object."""
    return {str(one["field"]): one["value"] for one in fields}


def _time_ms(value: Any) -> int | None:
    """Return epoch milliseconds of a number, or of the text a formatter made of a time."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number_ms(value)
    found = _TIME.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    day, time, _, hours, minutes = found.groups()
    zone = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        at = datetime.fromisoformat(f"{day}T{time}{zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return _sent_ms(int(at.timestamp() * 1000))


def _number_ms(value: float) -> int | None:
    """Return epoch milliseconds of a number of seconds, ms, µs or ns: its size tells which."""
    if not 0 < value < _NANOSECONDS_MAX:
        return None
    if value < _SECONDS_MAX:
        return int(value * 1000)
    while value >= _MS_MAX:
        value //= 1000
    return int(value)


def _sent_ms(value: Any) -> int | None:
    is_time = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MS_MAX
    return value if is_time else None
