"""What `claim` returns: a claim to work under, or word that the work is done."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Literal

from cxone_idem import protocol
from cxone_idem.errors import ClaimLostError, StoreError
from cxone_idem.record import Record, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.clock import Reading
    from cxone_idem.holdings import Holdings
    from cxone_idem.protocol import Stamp
    from cxone_idem.writer import Writer

# A lease is stamped again if the answer cannot prove it long enough: this machine's clock is slow,
# or the round trip was. The second stamp knows both, a third is for a trip slower still.
_STAMPS_MAX = 3


class AlreadyDone:
    """The work on a key is done: drop the event. Falsy."""

    __slots__ = ("key", "record")

    def __init__(self, key: str, record: Record) -> None:
        self.key = key
        self.record = record
        """Since when (`done_at_ms`), and by which delivery (`origin`)."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return f"AlreadyDone(key={self.key!r}, done_at_ms={self.record.done_at_ms})"


class Claimed:
    """A claim this process holds: do the work, then `complete` it. Truthy; thread-safe."""

    def __init__(
        self,
        key: str,
        record: Record,
        writer: Writer,
        holdings: Holdings,
        lease_ms: Callable[[], int],
    ) -> None:
        self.key = key
        self._record = record
        self._writer = writer
        self._holdings = holdings
        self._lease_ms = lease_ms
        self._lock = Lock()
        # Writes whose answer never came: any of them may be what stands in the store.
        self._unanswered: list[Record] = []

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return f"Claimed(key={self.key!r}, generation={self.generation})"

    @property
    def generation(self) -> int:
        """1 for the first claim on the key, +1 on every takeover: the fencing number."""
        return self._record.generation

    @property
    def record(self) -> Record:
        """The record as this claim last wrote it."""
        return self._record

    def complete(self) -> None:
        """Record that the work is done. Completing twice is the same as once.

        Raises `ClaimLostError` if a newer owner holds the key (retrying never helps; the effect may
        happen twice) and `StoreError` if the store cannot record it: then this process remembers
        the key as done and records it at the next chance.
        """
        with self._lock:
            if self._record.state is State.DONE:
                return
            try:
                self._write(protocol.completed)
            except StoreError:
                self._holdings.remember_unrecorded(self)
                raise
            self._holdings.drop(self)

    def release(self) -> None:
        """Give the key up undone, so that the next delivery need not wait for the lease to end.

        Raises `ClaimLostError` if it is not this claim's any more, and `StoreError` if the store
        cannot tell: then the lease ends by itself.
        """
        with self._lock:
            self._write(protocol.released)
            self._holdings.drop(self)

    def extend(self) -> None:
        """Make the lease last its full length from now: the heartbeat of long work.

        Raises `ClaimLostError` if it is not this claim's any more (stop working, if you can), and
        `StoreError` if the store cannot tell (retrying helps while the old lease lasts).
        """
        with self._lock:
            for _ in range(_STAMPS_MAX):
                lease_ms = self._lease_ms()
                reading = self._write(protocol.extended, lease_ms)
                if reading.proves(self._record.lease_until_ms, lease_ms):
                    return
        problem = (
            f"the lease on key {self.key!r} cannot be made to hold: each round trip was slower than"
            " the one before; retrying helps once the store answers evenly"
        )
        raise StoreError(problem, "", "extend")

    def _write(self, change: Callable[[Record, Stamp], Record], lease_ms: int = 0) -> Reading:
        """Write the held record as `change` makes it, against the version this claim wrote last."""
        while self._record.state is State.IN_PROGRESS:
            wanted = change(self._record, self._writer.stamp(lease_ms))
            try:
                answer, reading = self._writer.put(wanted, self._record.version)
            except StoreError as error:
                if error.outcome_unknown:
                    self._unanswered.append(wanted)
                raise
            if answer.written or protocol.is_own(wanted, answer.seen):
                self._record = wanted
                return reading
            self._adopt(answer.seen)
            if self._record.state is wanted.state is not State.IN_PROGRESS:
                return reading
        raise ClaimLostError(self.key, f"this claim is {self._record.state.value} already")

    def _adopt(self, seen: Record | None) -> None:
        """Go on from an earlier write of ours that landed unanswered; raise if `seen` is none."""
        for earlier in self._unanswered:
            if protocol.is_own(earlier, seen):
                self._unanswered.remove(earlier)
                self._record = earlier
                return
        self._holdings.drop(self)
        raise ClaimLostError(self.key, _loss(seen))


def _loss(seen: Record | None) -> str:
    if seen is None:
        return "its record is gone from the table; nothing was changed"
    return (
        f"its lease ended and generation {seen.generation} holds the key ({seen.state.value});"
        " nothing was changed"
    )
