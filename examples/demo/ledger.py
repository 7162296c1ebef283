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

    DELIVERED = "delivered"
    STARTED = "started"
    EFFECT = "effect"
    REQUEST = "request"


class Entry(NamedTuple):
    """Something that happened to a key (a request: its DynamoDB operation), epoch seconds."""

    what: What
    subject: str
    at_seconds: float


class Ledger:
    """One worker's file. What is written stays, even if the worker is killed next."""

    def __init__(self, path: Path) -> None:
        # Line buffered: each entry is with the operating system before the next thing happens.
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def write(self, what: What, subject: str) -> None:
        """Append an entry, stamped with the time."""
        self._file.write(json.dumps([what.value, subject, time.time()]) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(folder: Path) -> list[Entry]:
    """Return all workers' entries by time."""
    entries = [
        Entry(What(what), subject, at_seconds)
        for path in folder.glob("*.jsonl")
        for what, subject, at_seconds in map(json.loads, path.read_text("utf-8").splitlines())
    ]
    return sorted(entries, key=lambda entry: entry.at_seconds)
