"""The ledger: what happened, appended line by line by every process, outside the library."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Line(NamedTuple):
    """One line: when (CLOCK_MONOTONIC, one for the whole machine), which worker, what."""

    at: float
    worker: int
    """The number of the worker's incarnation: unlike a pid, it is never used again."""
    what: str
    fields: dict[str, Any]


class Ledger:
    """Appends lines. One `write` of a file opened with O_APPEND: a kill leaves no half line."""

    def __init__(self, path: Path | str, worker: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._worker = worker

    def write(self, what: str, worker: int | None = None, **fields: Any) -> None:
        """Append one line."""
        number = self._worker if worker is None else worker
        line = json.dumps([time.monotonic(), number, what, {"pid": os.getpid(), **fields}])
        os.write(self._file, line.encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> Iterator[Line]:
    """Yield the lines in the order in which they were written."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield Line(*json.loads(line))
