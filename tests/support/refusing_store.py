"""A store that refuses claims, as a table that is missing or throttled does."""

from __future__ import annotations

from cxone_idem import MemoryStore, StoreError
from cxone_idem.protocol.store import PutResult
from cxone_idem.record import Record, State


class RefusingStore(MemoryStore):
    """Refuses every claim but those of some keys."""

    def __init__(self, *, retryable: bool, takes: str = "") -> None:
        super().__init__()
        self._retryable = retryable
        self._takes = takes

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if record.state is State.IN_PROGRESS and record.partition_key not in self._takes:
            problem = "there is no such table; retrying does not help"
            raise StoreError(problem, "t", "PutItem", retryable=self._retryable)
        return super().put_if(record, expected_version)
