"""A clock that tests move, and a store that tells its time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.record import Record
    from cxone_idem.store import Answer, Store, Write

START_SECONDS = 1_800_000_000.0


class MovableClock:
    """Epoch seconds that stand still until a test moves them."""

    def __init__(self, seconds: float = START_SECONDS) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class TellsTime:
    """A store as it is, but for the time it tells: a clock of the test's, not the engine's."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        answer = self._store.put_if(record, expected_version)
        return replace(answer, date_seconds=int(self._clock()))

    def transaction_item(self, write: Write) -> Any:
        return self._store.transaction_item(write)  # type: ignore[attr-defined]
