"""A store that fails when a test says so; otherwise it is the store behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem import StoreError

if TYPE_CHECKING:
    from cxone_idem.protocol.store import PutResult, Store
    from cxone_idem.record import Record, State


class FailingStore:
    """Raises `StoreError` for the writes of one state, before or after they are executed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fails: State | None = None
        self.executes = False
        self.refused = 0

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if record.state is not self.fails:
            return self._store.put_if(record, expected_version)
        self.refused += 1
        if self.executes:
            self._store.put_if(record, expected_version)
        problem = "the store is out of reach"
        raise StoreError(problem, "t", "PutItem", outcome_unknown=True)
