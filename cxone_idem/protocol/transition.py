"""The contract of a transition: one write under a claim, as an object without I/O.

It returns its `next_write`, takes the reply by `on_reply`, and repeats that until it is `done`.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, Protocol

from cxone_idem.errors import IdemError, StoreError
from cxone_idem.protocol.clock import LEASE_MARGIN_MS, Clock, ClockSample
from cxone_idem.protocol.decisions import Stamp
from cxone_idem.protocol.store import NO_DEADLINE, Budget, ConditionalPut, PutResult


class Reply(NamedTuple):
    """A store's result, or its failure, and what it proves about the store's clock."""

    result: PutResult | StoreError
    sample: ClockSample


class Transition(Protocol):
    """A write under a claim, on its way to the store."""

    done: bool
    """There is nothing more to write."""
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
        lease_until_ms = now_ms
        if lease_ms:
            lease_until_ms += lease_ms + LEASE_MARGIN_MS
        # Retention counts from the end of the lease, or TTL could delete work still in progress.
        expires_at = -(-(lease_until_ms + self._retention_ms) // 1000)
        return Stamp(self.new_version(), now_ms, lease_until_ms, expires_at)


class Counts(NamedTuple):
    """Events of the claim protocol that no result shows."""

    taken_over: int = 0
    """Claims made over a lease that had ended: its worker died, or took too long."""
    released: int = 0
    """Claims that were released."""
    lost_answers: int = 0
    """Writes that were carried out though their answer never came, recognised as our own."""


class Counters:
    """Counts until somebody drains them. Thread-safe; they decide nothing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = Counts()

    def add(self, *, taken_over: int = 0, released: int = 0, lost_answers: int = 0) -> None:
        """Count what happened."""
        added = (taken_over, released, lost_answers)
        if any(added):
            with self._lock:
                self._counts = Counts(
                    *(have + more for have, more in zip(self._counts, added, strict=True))
                )

    def drain(self) -> Counts:
        """Return the counts since the last call."""
        with self._lock:
            drained, self._counts = self._counts, Counts()
        return drained


class Terms(NamedTuple):
    """Conditions that a claim is made under, and that hold for every later write of its owner."""

    stamper: Stamper
    counters: Counters
    lease_ms: Callable[[], int]
    """Returns how long a lease that begins now must last."""
    budget: Budget = NO_DEADLINE
    """How long a write may take: as long as the invocation that claims."""
    max_attempts: int = 0
    """How often a key may be tried; 0 is without limit."""
