"""What `claim` returns: a claim to work under, or word that the work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cxone_idem import protocol
from cxone_idem.cause import Cause, find_cause
from cxone_idem.errors import ClaimLostError, IdemError, StoreError
from cxone_idem.held_record import HeldRecord, write_all
from cxone_idem.record import Origin, Record, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.clock import Reading
    from cxone_idem.held_record import Change
    from cxone_idem.holdings import Holdings
    from cxone_idem.writer import Writer

# A lease is stamped again if the answer cannot prove it long enough: this machine's clock is slow,
# or the round trip was. The second stamp knows both, a third is for a trip slower still.
_STAMPS_MAX = 3
# A claim made ahead of its work is extended first if more than a tenth of its lease has gone by.
_FRESH = 0.9


class AlreadyDone:
    """The work on a key is done: drop the event. Falsy."""

    __slots__ = ("key", "origin", "record")

    def __init__(self, key: str, record: Record, origin: Origin | None = None) -> None:
        self.key = key
        self.record = record
        """Since when (`done_at_ms`), and by which delivery (`origin`)."""
        self.origin = origin or Origin()
        """Whose delivery this one is, as far as the caller said."""

    @property
    def cause(self) -> Cause:
        """Why this delivery came although the work is done."""
        return find_cause(self.record.origin, self.origin)

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
        self._held = HeldRecord(key, record, writer)
        self._writer = writer
        self._holdings = holdings
        self._lease_ms = lease_ms
        self._promised_until_ms = writer.local_ms() + lease_ms()

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return f"Claimed(key={self.key!r}, generation={self.generation})"

    @property
    def generation(self) -> int:
        """1 for the first claim on the key, +1 on every takeover: the fencing number."""
        return self.record.generation

    @property
    def record(self) -> Record:
        """The record as this claim last wrote it."""
        return self._held.record

    def complete(self) -> None:
        """Record that the work is done. Completing twice is the same as once.

        Raises `ClaimLostError` if a newer owner holds the key (retrying never helps; the effect may
        happen twice) and `StoreError` if the store cannot record it: then this process remembers
        the key as done and records it at the next chance.
        """
        with self._held.lock:
            if self.record.state is State.DONE:
                return
            try:
                self._held.write(protocol.completed)
            except IdemError as error:
                self._completion_ended(error)
                raise
            self._completion_ended(None)

    def release(self) -> None:
        """Give the key up undone, so that the next delivery need not wait for the lease to end.

        Raises `ClaimLostError` if it is not this claim's any more, and `StoreError` if the store
        cannot tell: then the lease ends by itself.
        """
        with self._held.lock:
            self._write(protocol.released)
            self._holdings.drop(self)

    def extend(self) -> None:
        """Make the lease last its full length from now: the heartbeat of long work.

        Raises `ClaimLostError` if it is not this claim's any more (stop working, if you can), and
        `StoreError` if the store cannot tell (retrying helps while the old lease lasts).
        """
        with self._held.lock:
            for _ in range(_STAMPS_MAX):
                lease_ms = self._lease_ms()
                promised_until_ms = self._writer.local_ms() + lease_ms
                reading = self._write(protocol.extended, lease_ms)
                if reading.proves(self.record.lease_until_ms, lease_ms):
                    self._promised_until_ms = promised_until_ms
                    return
        problem = (
            f"the lease on key {self.key!r} cannot be made to hold: each round trip was slower than"
            " the one before; retrying helps once the store answers evenly"
        )
        raise StoreError(problem, "", "extend")

    def freshen(self) -> None:
        """Extend the lease if the work starts well after the claim; raises as `extend` does."""
        if self._promised_until_ms - self._writer.local_ms() < _FRESH * self._lease_ms():
            self.extend()

    def _write(self, change: Change, lease_ms: int = 0) -> Reading:
        try:
            return self._held.write(change, lease_ms)
        except ClaimLostError:
            self._holdings.drop(self)
            raise

    def _completion_ended(self, error: IdemError | None) -> None:
        if isinstance(error, StoreError):
            self._holdings.remember_unrecorded(self)
            return
        self._holdings.drop(self)
        if error is None:
            self._holdings.remember_done(self.record)


def complete_all(claims: Sequence[Claimed], writer: Writer) -> list[IdemError | None]:
    """Complete many claims in as few requests as the store can; return each one's error."""
    waiting = [claim for claim in claims if claim.record.state is not State.DONE]
    errors = _write_all(waiting, protocol.completed, writer)
    for claim, error in zip(waiting, errors, strict=True):
        claim._completion_ended(error)  # noqa: SLF001 -- this module's own
    by_claim = dict(zip(waiting, errors, strict=True))
    return [by_claim.get(claim) for claim in claims]


def release_all(
    claims: Sequence[Claimed], writer: Writer, *, begun: bool
) -> list[IdemError | None]:
    """Release many claims in as few requests as the store can; return each one's error.

    What was not `begun` under any of them was no attempt.
    """
    errors = _write_all(claims, protocol.released if begun else protocol.returned, writer)
    for claim in claims:
        claim._holdings.drop(claim)  # noqa: SLF001 -- this module's own
    return errors


def _write_all(claims: Sequence[Claimed], change: Change, writer: Writer) -> list[IdemError | None]:
    return write_all([claim._held for claim in claims], change, writer)  # noqa: SLF001 -- as above
