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
        self._failed: set[str] = set()
        self._events: dict[str, Record] = {}

    def read(self, lines: Iterable[str]) -> None:
        """Read the lines of a log, of an export of a log, or of an export of the table."""
        for line in lines:
            self.lines += line.strip() not in _NOTHING
            self._read_value(line, None)

    def _read_value(self, value: Any, at_ms: int | None) -> None:
        if isinstance(value, str):
            for inner in _json_in(value):
                self._read_value(inner, at_ms)
            return
        if not isinstance(value, dict):
            return
        at_ms = _time_ms(value.get("timestamp", value.get("@timestamp"))) or at_ms
        if isinstance(value.get(FIELD), dict):
            self._read_log_line(value[FIELD], at_ms)
            return
        item = value.get("Item", value)
        if isinstance(item, dict) and isinstance(item.get(self._layout.partition_key), dict):
            self._read_item(item)
            return
        # Where CloudWatch's own exports put the text of a log line.
        for text in (value.get("message"), value.get("@message")):
            if isinstance(text, str):
                self._read_value(text, at_ms)

    def _read_log_line(self, fields: dict[str, Any], at_ms: int | None) -> None:
        self.log_lines += 1
        status, cause = fields.get("status"), _CAUSES.get(fields.get("cause", ""))
        self.waiting += status == MessageStatus.IN_PROGRESS.value
        if cause is None or status not in _COUNTED:
            return
        if cause is Cause.NOT_A_DUPLICATE:
            # It fails as often as its queue lets it come back, and is one event all the same.
            message_id = str(fields.get("message_id"))
            if message_id in self._failed:
                return
            self._failed.add(message_id)
        known = {name: value for name, value in fields.items() if name not in {"status", "cause"}}
        at_ms = at_ms or _time_ms(fields.get("sent_at_ms"))
        self.duplicates.append(Duplicate(at_ms, cause, str(fields.get("key")), known))

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
        self.duplicates.append(Duplicate(record.claimed_at_ms, cause, key, known))


def _json_in(text: str) -> Iterator[Any]:
    """Yield each JSON object in a line: after a prefix, one after another, or quoted in a list."""
    text = text.strip().rstrip(",")
    position = 0 if text.startswith('"') else text.find("{")
    while position >= 0:
        try:
            value, position = json.JSONDecoder().raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value
        position = text.find("{", position)


def _time_ms(value: Any) -> int | None:
    """Return epoch milliseconds of a number of them, or of the text a formatter made of a time."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _TIME.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    day, time, _, hours, minutes = found.groups()
    zone = f"{hours}:{minutes}" if hours else "+00:00"
    try:
        at = datetime.fromisoformat(f"{day}T{time}{zone}")
    except ValueError:
        return None
    return int(at.astimezone(timezone.utc).timestamp() * 1000)
