"""Time as the store sees it, so that leases hold between machines whose clocks disagree.

A store's answer carries its own time `D`, cut to whole seconds (the HTTP `Date` header, RFC 9110
section 6.6.1). The answer was made between sending and receiving, so:

* once the answer is here, the store's clock shows at least `D`: that judges other workers' leases;
* `t` after sending, the store's clock shows less than `D + 1 s + t`: that bounds our own lease.

Neither bound trusts what the local clock shows, only how far it advanced during one request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE_MARGIN_MS = 3000
"""Added to every lease: 2 s for the two whole-second dates that its start is estimated from and
checked against, 1 s for the round trip between them. A clock up to 2 s slow is covered by it on
the first claim already, and so are clocks up to 3 s apart where the store tells no time."""

_DATE_RESOLUTION_MS = 1000


class StoreClock:
    """The store's clock, estimated from its answers. Thread-safe."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # The newest sample alone: it needs no lock, and a stepped clock is forgotten with it.
        self._ahead_ms = 0

    def local_ms(self) -> int:
        """Return this machine's clock, epoch milliseconds."""
        return int(self._now() * 1000)

    def store_ms(self) -> int:
        """Return the best guess of the store's clock, epoch milliseconds."""
        return self.local_ms() + self._ahead_ms

    def observe(self, sent_ms: int, date_seconds: int | None) -> Reading:
        """Take in an answer that has just arrived to a request sent at `sent_ms` (local clock)."""
        if date_seconds is not None:
            # Against the time of sending, so that a slow round trip makes the next lease longer.
            self._ahead_ms = date_seconds * 1000 - sent_ms
        return Reading(sent_ms, self.local_ms(), date_seconds)


class Reading(NamedTuple):
    """What one answer proves about the store's clock; the times are of the local one."""

    sent_ms: int
    received_ms: int
    date_seconds: int | None

    @property
    def earliest_ms(self) -> int:
        """The least the store's clock can show now; the local clock if the store tells no time."""
        return self.received_ms if self.date_seconds is None else self.date_seconds * 1000

    def proves(self, lease_until_ms: int, lease_ms: int) -> bool:
        """Tell whether a lease stamped `lease_until_ms` surely lasts `lease_ms` from sending."""
        if self.date_seconds is None:
            return True
        latest_at_sending_ms = self.date_seconds * 1000 + _DATE_RESOLUTION_MS
        return lease_until_ms >= latest_at_sending_ms + lease_ms
