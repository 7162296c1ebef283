"""What really happened, written down outside the library: one append-only file for each worker."""

from __future__ import annotations

import json
import time
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class What(str, Enum):
    """The kinds of entry."""

    SENT = "sent"
    DELIVERED = "delivered"
    STARTED = "started"
    EFFECT = "effect"
    REQUEST = "request"


class Entry(NamedTuple):
    """Something that happened to a key (a request: its DynamoDB operation), in epoch seconds."""

    what: What
    subject: str
    at_seconds: float


class Ledger:
    """One worker's file. What is written stays, even if the worker is killed next."""

    def __init__(self, path: Path) -> None:
        # Line buffered: each entry is with the operating system before the next thing happens.
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def write(self, what: What, subject: str, at_seconds: float | None = None) -> None:
        """Append an entry of something that happened `at_seconds`, by default now."""
        stamp = time.time() if at_seconds is None else at_seconds
        self._file.write(json.dumps([what.value, subject, stamp]) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(folder: Path) -> list[Entry]:
    """Return all workers' entries by time."""
    entries = [
        Entry(What(what), subject, at_seconds)
        for path in folder.glob("*.jsonl")
        for what, subject, at_seconds in map(json.loads, _lines(path))
    ]
    return sorted(entries, key=lambda entry: entry.at_seconds)


def _lines(path: Path) -> list[str]:
    """Return the finished lines: the writer may be at work, or killed."""
    return path.read_text("utf-8").split("\n")[:-1]
