"""The contract of a transition: one write under a claim, as an object without I/O."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, Protocol

from cxone_idem.errors import IdemError, StoreError
from cxone_idem.protocol.clock import LEASE_MARGIN_MS, Clock, ClockSample
from cxone_idem.protocol.decisions import Stamp
from cxone_idem.protocol.store import Budget, ConditionalPut, PutResult


class Reply(NamedTuple):
    """A store's result, or its failure, and what it proves about the store's clock."""

    result: PutResult | StoreError
    sample: ClockSample


class Transition(Protocol):
    """A write on its way: `next_write` and `on_reply` in turn, until it is done."""

    done: bool
    error: IdemError | None
    """Why it failed, once it is done."""

    def next_write(self) -> ConditionalPut:
        """Return what to write now."""

    def on_reply(self, reply: Reply) -> None:
        """Decide on the reply to the last write."""


class Stamper:
    """Makes the stamp of each write: a fresh version, and times by the store's clock."""

    def __init__(
        self, clock: Clock, new_version: Callable[[], str], retention_seconds: float
    ) -> None:
        self.clock = clock
        self.new_version = new_version
        self._retention_ms = int(retention_seconds * 1000)

    def stamp(self, lease_ms: int = 0) -> Stamp:
        """Return a stamp for a write that is sent now and needs a lease of `lease_ms`."""
        now_ms = self.clock.store_ms()
        lease_until_ms = now_ms + lease_ms + LEASE_MARGIN_MS if lease_ms else now_ms
        # Retention counts from the end of the lease, or TTL could delete work still in progress.
        expires_at = -(-(lease_until_ms + self._retention_ms) // 1000)
        return Stamp(self.new_version(), now_ms, lease_until_ms, expires_at)


class Counts(NamedTuple):
    """Events that no result shows."""

    taken_over: int = 0
    """Claims made over a lease that had ended: its worker died, or took too long."""
    released: int = 0
    """Claims given back undone."""
    lost_answers: int = 0
    """Writes that were carried out though their answer never came, recognised as our own."""


class Counters:
    """Counts until somebody drains them. Thread-safe; they decide nothing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = Counts()

    def add(self, name: str) -> None:
        """Count one event of `Counts`."""
        with self._lock:
            self._counts = self._counts._replace(**{name: getattr(self._counts, name) + 1})

    def drain(self) -> Counts:
        """Return the counts since the last call."""
        with self._lock:
            drained, self._counts = self._counts, Counts()
        return drained


class Terms(NamedTuple):
    """Conditions of a claim, for its first write and every later one."""

    stamper: Stamper
    counters: Counters
    budget: Budget
    """The time that a write may take: as long as the invocation that claims."""
    lease_ms: Callable[[], int]
    """Returns how long a lease that begins now must last."""
    max_attempts: int = 0
    """The number of times a key may be tried; 0 is without limit."""
