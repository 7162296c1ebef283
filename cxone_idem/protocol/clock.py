"""Time as the store sees it, so that leases hold between machines whose clocks disagree.

A store's answer carries its own time `D`, cut to whole seconds (the HTTP `Date` header, RFC 9110
section 6.6.1). The store made the answer between sending and receiving, so:

* once the answer is here, the store's clock shows at least `D`: that judges other workers' leases;
* `t` after sending, the store's clock shows less than `D + 1 s + t`: that bounds our own lease.

Neither bound trusts what the local clock shows. Both trust how far it advanced in one request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

LEASE_MARGIN_MS = 3000
"""Added to every lease. 2 s cover the two dates, in whole seconds, that its start is estimated by
and checked against. 1 s covers the round trip between them. So the first claim already holds on a
machine whose clock is up to 2 s slow, and between clocks 3 s apart where no date is sent."""

_DATE_RESOLUTION_MS = 1000


class Moment(NamedTuple):
    """A point in time of this process; `Clock.elapsed_ms` returns how long ago it was."""

    monotonic_seconds: float
    wall_seconds: float


class Clock:
    """The machine's clocks, and an estimate of the store's. Thread-safe."""

    def __init__(self, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._now = now
        self._monotonic = monotonic
        # The newest sample alone: it needs no lock, and a stepped clock is forgotten with it.
        self._ahead_ms = 0

    def local_ms(self) -> int:
        """Return this machine's clock, epoch milliseconds."""
        return int(self._now() * 1000)

    def store_ms(self) -> int:
        """Return the best estimate of the store's clock, epoch milliseconds."""
        return self.local_ms() + self._ahead_ms

    def moment(self) -> Moment:
        """Return now, for `elapsed_ms`."""
        return Moment(self._monotonic(), self._now())

    def elapsed_ms(self, since: Moment) -> int:
        """Return the milliseconds since a moment, or more.

        Nobody can set the monotonic clock back. The wall clock counts a pause of the machine that
        the other may not count (a suspended virtual machine). The longer time is the right one.
        """
        seconds = max(self._monotonic() - since.monotonic_seconds, self._now() - since.wall_seconds)
        return int(seconds * 1000)

    def observe(self, sent_ms: int, date_seconds: int | None) -> ClockSample:
        """Use an answer that has just arrived to a request sent at `sent_ms` (local clock)."""
        if date_seconds is not None:
            # Against the time of sending, so that a slow round trip makes the next lease longer.
            self._ahead_ms = date_seconds * 1000 - sent_ms
        return ClockSample(sent_ms, self.local_ms(), date_seconds)


class ClockSample(NamedTuple):
    """Bounds that one answer puts on the store's clock; both times are of the local clock."""

    sent_ms: int
    received_ms: int
    date_seconds: int | None

    @property
    def earliest_ms(self) -> int:
        """The least that the store's clock can show now; the local clock without a date."""
        return self.received_ms if self.date_seconds is None else self.date_seconds * 1000

    def covers(self, lease_until_ms: int, lease_ms: int) -> bool:
        """Return whether a lease until `lease_until_ms` surely lasts `lease_ms` from sending."""
        if self.date_seconds is None:
            return True
        latest_at_sending_ms = self.date_seconds * 1000 + _DATE_RESOLUTION_MS
        return lease_until_ms >= latest_at_sending_ms + lease_ms
