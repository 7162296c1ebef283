"""The part of CloudWatch Logs Insights that our queries use; all else in a query is an error.

"CloudWatch Logs Insights language query syntax", Amazon CloudWatch Logs User Guide: `fields`,
`filter` (comparisons, `in`, `ispresent`, `and`), `stats count(*) by`, `bin`, `sort`, `limit`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Row = dict[str, Any]

_FIELD = r"@?[\w.]+"
_BIN_MS = {"m": 60_000, "h": 3_600_000}


class Line(NamedTuple):
    """A line of a log, and when CloudWatch got it."""

    at_ms: int
    text: str


def run(query: str, lines: Iterable[Line]) -> list[Row]:
    """Return the rows that the query finds in the lines."""
    rows = [_discovered(line) for line in lines]
    shown: list[str] | None = None
    for stage in re.split(r"\s*\|\s*", query.strip()):
        command, _, said = " ".join(stage.split()).partition(" ")
        if command == "filter":
            rows = [row for row in rows if _holds(said, row)]
        elif command == "fields":
            shown = _names(said)
        elif command == "stats":
            rows, shown = _counted(said, rows), None
        elif command == "sort":
            rows = _sorted(said, rows)
        elif command == "limit":
            rows = rows[: int(said)]
        else:
            raise ValueError(stage)
    return [row if shown is None else {name: row.get(name) for name in shown} for row in rows]


def _discovered(line: Line) -> Row:
    """Return the fields that CloudWatch finds in a line: those of a JSON object, by their paths."""
    row: Row = {"@timestamp": line.at_ms, "@message": line.text}
    try:
        found = json.loads(line.text)
    except ValueError:
        return row
    return row | dict(_flattened(found, "")) if isinstance(found, dict) else row


def _flattened(found: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        elif not isinstance(value, list) and value is not None:
            yield prefix + name, value


def _holds(condition: str, row: Row) -> bool:
    return all(_is_so(part, row) for part in condition.split(" and "))


def _is_so(condition: str, row: Row) -> bool:
    if found := re.fullmatch(rf"ispresent\(({_FIELD})\)", condition):
        return found.group(1) in row
    if found := re.fullmatch(rf"({_FIELD}) in (\[.*\])", condition):
        return row.get(found.group(1)) in json.loads(found.group(2))
    if found := re.fullmatch(rf'({_FIELD}) = (".*")', condition):
        return bool(row.get(found.group(1)) == json.loads(found.group(2)))
    raise ValueError(condition)


def _names(said: str) -> list[str]:
    names = said.split(", ")
    assert all(re.fullmatch(_FIELD, name) for name in names), said
    return names


def _counted(said: str, rows: list[Row]) -> list[Row]:
    found = re.fullmatch(r"count\(\*\) as (\w+) by (.+)", said)
    if not found:
        raise ValueError(said)
    name, groups = found.group(1), found.group(2).split(", ")
    counts = Counter(tuple(_value(group, row) for group in groups) for row in rows)
    return [
        dict(zip(groups, values, strict=True)) | {name: count} for values, count in counts.items()
    ]


def _value(group: str, row: Row) -> Any:
    if found := re.fullmatch(r"bin\((\d+)([mh])\)", group):
        size = int(found.group(1)) * _BIN_MS[found.group(2)]
        return row["@timestamp"] // size * size
    (name,) = _names(group)
    return row.get(name)


def _sorted(said: str, rows: list[Row]) -> list[Row]:
    found = re.fullmatch(rf"({_FIELD}) (asc|desc)", said)
    if not found:
        raise ValueError(said)
    name, order = found.groups()
    assert all(name in row for row in rows), f"sorted by what is no field: {name}"
    return sorted(rows, key=lambda row: row[name], reverse=order == "desc")
