"""A store in a time of the test's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxone_idem.record import Record
    from cxone_idem.store import Answer, Store

# In 2033, so that an engine that sweeps expired items leaves these alone.
_START_SECONDS = 2_000_000_000.0


class TimedStore:
    """A store whose clock is the test's, and which can lose answers and have the SDK retry."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.now_seconds = _START_SECONDS
        self.answers_to_lose = 0

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        """Write, as often as the SDK has to."""
        answer = self._store.put_if(record, expected_version)
        while self.answers_to_lose:
            self.answers_to_lose -= 1
            answer = self._store.put_if(record, expected_version)
        return replace(answer, date_seconds=int(self.now_seconds))
