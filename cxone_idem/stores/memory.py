"""Stores without I/O: one in this process's memory, and one that keeps nothing."""

from __future__ import annotations

from threading import Lock

from cxone_idem.protocol.store import PutResult
from cxone_idem.record import Record


class MemoryStore:
    """Records in a dict. Thread-safe; shared with no other process and never swept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._records: dict[str, Record] = {}

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Write `record` if the stored version is `expected_version`. Never fails."""
        with self._lock:
            existing = self._records.get(record.partition_key)
            if (existing.version if existing else None) != expected_version:
                return PutResult(written=False, existing=existing)
            self._records[record.partition_key] = record
            return PutResult(written=True)


class NullStore:
    """A store that keeps nothing and refuses nothing: `CXONE_IDEM_DISABLED` runs on it."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:  # noqa: ARG002 -- by contract
        """Accept the write and forget it."""
        return PutResult(written=True)
