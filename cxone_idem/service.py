"""A process that serves a queue until it is stopped, as the invocation of its batches."""

from __future__ import annotations

from cxone_idem.invocation import Invocation

# Less than any time a message may be said to need: none is started any more.
_NO_TIME_MS = -1


class Service(Invocation):
    """There is no deadline until `stop`, and no time left for a further message after it.

    Leases are as long as configured at any time: a heartbeat keeps them while their work runs.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.stopping = False

    def stop(self) -> None:
        """Start no further message. Takes no lock, so a signal handler may call it."""
        self.stopping = True

    def remaining_ms(self) -> int | None:
        """Return None, for no deadline, until stopped."""
        return _NO_TIME_MS if self.stopping else None

    def left(self) -> str:
        """Return nothing: to be stopped is no lack of time."""
        return ""

    def lease_ms(self, lease_seconds: float) -> int:
        """Return how long a claim made now must last."""
        return int(lease_seconds * 1000)
