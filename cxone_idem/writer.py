"""How this process writes records: stamped with fresh versions and the store's time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.clock import LEASE_MARGIN_MS, Reading, StoreClock
from cxone_idem.protocol import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.record import Record
    from cxone_idem.store import Answer, Store


class Writer:
    """A store together with the clock and the versions that its writes are stamped with."""

    def __init__(
        self,
        store: Store,
        retention_seconds: float,
        now: Callable[[], float],
        new_version: Callable[[], str],
    ) -> None:
        self._store = store
        self._retention_ms = int(retention_seconds * 1000)
        self._clock = StoreClock(now)
        self._new_version = new_version

    def stamp(self, lease_ms: int) -> Stamp:
        """Return a stamp for a write that is sent now and needs a lease of `lease_ms` (0: none)."""
        now_ms = self._clock.store_ms()
        lease_until_ms = now_ms
        if lease_ms:
            lease_until_ms += lease_ms + LEASE_MARGIN_MS
        # Retention counts from the end of the lease, or TTL could delete work still in progress.
        expires_at = -(-(lease_until_ms + self._retention_ms) // 1000)
        return Stamp(self._new_version(), now_ms, lease_until_ms, expires_at)

    def put(self, record: Record, expected_version: str | None) -> tuple[Answer, Reading]:
        """Write `record` on its condition, and read the store's clock off the answer."""
        sent_ms = self._clock.local_ms()
        answer = self._store.put_if(record, expected_version)
        return answer, self._clock.observe(sent_ms, answer.date_seconds)
