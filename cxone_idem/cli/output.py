"""Output of the commands: exit codes, tables and JSON on stdout, messages on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from enum import IntEnum
from io import TextIOWrapper
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from cxone_idem.protocol.decisions import is_lease_over, is_past_retention
from cxone_idem.record import NO_VERSION, Origin, Record, State
from cxone_idem.text import counted, legible, shortened

T = TypeVar("T")

_ORIGIN = {
    "event_id": "EventBridge event",
    "message_id": "SQS message",
    "receive_count": "receive count",
    "sent_at_ms": "sent",
    "replay_name": "archive replay",
    "request_id": "Lambda request",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Exit(IntEnum):
    """An exit code and its meaning. 2 is click's own, for wrong usage."""

    meaning: str

    def __new__(cls, code: int, meaning: str = "") -> Exit:  # noqa: PYI034 -- Self is 3.11's
        """Make the exit code, with its meaning for `--help`."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "done, and nothing is wrong"
    FAILED = 1, "AWS, input or output failed"
    USAGE = 2, "called wrongly"
    NOT_FOUND = 3, "no such record, or no such thing in the account"
    REFUSED = 4, "not safe, or the answer was no"
    FOUND = 5, "something is wrong"
    UNSURE = 6, "not all could be looked at"


def open_streams() -> None:
    """Have output escape what its encoding lacks, and reading from a closed stdin fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdin is None:
        sys.stdin = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- as long as the process


def give_up_output() -> None:
    """Drop what stdout has not taken: the interpreter would fail once more at its end."""
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_terminal() -> bool:
    """Return True if people look at stdout, False if it is a program or a file."""
    if sys.stdout is None:
        closed = "stdout is closed"
        raise OSError(closed)
    return sys.stdout.isatty()


def writes_unicode() -> bool:
    """Return False if stdout's encoding has no characters but those of one language."""
    return "utf" in (sys.stdout.encoding or "utf-8").lower()


def progress(items: Iterable[T], what: str) -> Iterable[T]:
    """Return items, with a bar on stderr while they come if a person looks at it."""
    shown = Console(stderr=True)
    off = sys.stderr is None or not sys.stderr.isatty()
    return track(items, what, console=shown, transient=True, disable=off)


def print_json(data: Any) -> None:
    """Print `data` as JSON: indented on a terminal, else on one line."""
    indent = 2 if on_terminal() else None
    click.echo(json.dumps(data, indent=indent, ensure_ascii=not writes_unicode()))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table on a terminal, else as lines of tab-separated values."""
    if not on_terminal():
        for row in (columns, *rows):
            click.echo("\t".join(legible(" ".join(cell.split())) for cell in row))
        return
    table, listed = Table(*columns), [[legible(cell) for cell in row] for row in rows]
    for row in listed:
        # A plain string's [brackets] would be read as markup.
        table.add_row(*map(Text, row))
    console = Console()
    if console.measure(table).minimum < console.width:
        console.print(table)
        return
    # A word that a column cuts, such as a key, could not be pasted.
    two = len(columns) == 2  # noqa: PLR2004 -- names and values already
    width = max(map(len, (row[0] for row in listed) if two else columns), default=0)
    for pairs in [listed] if two else [zip(columns, row, strict=True) for row in listed]:
        click.echo("".join(f"{name:{width}}  {cell}\n" for name, cell in pairs))


def print_result(
    data: Any, columns: Sequence[str], rows: Iterable[Sequence[str]], *, as_json: bool
) -> None:
    """Print `data` as JSON if that is asked for, else the rows that say it to people."""
    if as_json:
        print_json(data)
    else:
        print_table(columns, rows)


def print_status(message: str) -> None:
    """Print a message to stderr, apart from the data."""
    # Where even that fails, nobody listens.
    with suppress(OSError):
        click.echo(message, err=True)


def refuse(reason: str) -> NoReturn:
    """End the command: nothing is changed, and stderr says why."""
    print_status(f"refused: {reason}")
    raise click.exceptions.Exit(Exit.REFUSED)


def describe(record: Record, now_ms: int) -> list[tuple[str, str]]:
    """Return a record as names and texts; `now_ms` is the store's own time."""
    ends = None if record.expires_at is None else record.expires_at * 1000
    rows = [("record", record.partition_key), ("state", state(record, now_ms))]
    if record.version == NO_VERSION:
        rows.append(("version", "none: written before this library was adopted"))
    else:
        number = record.generation
        again = f"attempted {counted(number, 'time')}, or once more after each retention"
        rows += [
            ("generation", f"{number}: {'the first attempt' if number == 1 else again}"),
            ("claimed for", origin(record.origin)),
            ("claimed", _when(record.claimed_at_ms, now_ms)),
            ("lease", _lease(record, now_ms)),
            ("done", _when(record.done_at_ms, now_ms)),
        ]
    return [*rows, ("retention", "no end" if ends is None else f"until {_when(ends, now_ms)}")]


def state(record: Record, now_ms: int) -> str:
    """Return a record's state, and what happens to the next delivery of its key."""
    if record.state is State.RELEASED and record.done_at_ms is not None:
        return "RELEASED: done, and made free to run again"
    if record.state is State.RELEASED:
        return "RELEASED: given up undone, free for the next delivery"
    if record.state is State.DONE:
        if is_past_retention(record, now_ms):
            return "DONE, but past its retention: the next delivery does the work again"
        return "DONE: every further delivery is dropped"
    if is_lease_over(record, now_ms):
        return "IN_PROGRESS, but its lease is over: the next delivery takes over"
    return "IN_PROGRESS: a worker has it, and every other delivery waits for it"


def origin(delivery: Origin) -> str:
    """Return a delivery's ids and times as text."""
    known = {name: value for name, value in asdict(delivery).items() if value is not None}
    if "sent_at_ms" in known:
        known["sent_at_ms"] = format_time(known["sent_at_ms"])
    texts = (f"{_ORIGIN[name]} {shortened(str(value))}" for name, value in known.items())
    return ", ".join(texts) or "a delivery that was not recorded"


def duration(milliseconds: int) -> str:
    """Return a span of time in the largest unit of which it has two."""
    seconds = abs(milliseconds) / 1000
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def format_time(at_ms: int) -> str:
    """Return a time in UTC, to the second."""
    try:
        return f"{_EPOCH + timedelta(milliseconds=at_ms):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{at_ms} ms, past the year 9999"


def _when(at_ms: int | None, now_ms: int) -> str:
    if at_ms is None:
        return "not recorded"
    distance = duration(now_ms - at_ms)
    return f"{format_time(at_ms)}, {f'{distance} ago' if at_ms <= now_ms else f'in {distance}'}"


def _lease(record: Record, now_ms: int) -> str:
    if record.state is not State.IN_PROGRESS:
        return "none"
    if is_lease_over(record, now_ms):
        return f"over since {_when(record.lease_until_ms, now_ms)}"
    return f"ends in at most {duration(record.lease_until_ms - now_ms)}"
