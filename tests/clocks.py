"""The public kit's clock and store, under the short names of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem.testing import START_SECONDS, MovableClock
from cxone_idem.testing import RehearsalStore as TellsTime

if TYPE_CHECKING:
    from cxone_idem.store import Write

__all__ = ["START_SECONDS", "MovableClock", "TellsTime", "TransactingTellsTime"]


class TransactingTellsTime(TellsTime):
    """The same over a store that has transactions."""

    def transaction_item(self, write: Write) -> Any:
        return self._store.transaction_item(write)  # type: ignore[attr-defined]
