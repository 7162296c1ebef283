"""A store in this process's memory: for tests and single-process consumers."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from cxone_idem.store import Answer

if TYPE_CHECKING:
    from cxone_idem.record import Record


class MemoryStore:
    """Records in a dict. Thread-safe; shared with no other process and never swept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._records: dict[str, Record] = {}

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        """Write `record` if the version that stands there is `expected_version`. Never fails."""
        with self._lock:
            seen = self._records.get(record.partition_key)
            if (seen.version if seen else None) != expected_version:
                return Answer(written=False, seen=seen)
            self._records[record.partition_key] = record
            return Answer(written=True)
