"""A claim to work under, and settling one claim or many."""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from cxone_idem import protocol
from cxone_idem.errors import ClaimLostError, IdemError, StoreError, quoted
from cxone_idem.held_record import HeldRecord, write_all
from cxone_idem.record import Record, State
from cxone_idem.store import NO_DEADLINE, Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.clock import Reading
    from cxone_idem.held_record import Change, Companion
    from cxone_idem.holdings import Holdings
    from cxone_idem.protocol import Stamp
    from cxone_idem.writer import Writer

logger = logging.getLogger("cxone_idem")

# A lease is stamped again if the answer cannot prove it long enough: this machine's clock is slow,
# or the round trip was. The second stamp knows both, a third is for a trip slower still.
_STAMPS_MAX = 3
# A claim made ahead of its work is extended first if more than a tenth of its lease has gone by.
_FRESH = 0.9


class _Result(Enum):
    NONE_GIVEN = "no result"


NO_RESULT: Final = _Result.NONE_GIVEN
"""Says that no result is to be stored: None is a result like another."""


class Claimed:
    """A claim this process holds: do the work, then `complete` it. Truthy; thread-safe."""

    def __init__(  # noqa: PLR0913, PLR0917 -- what is held, and what this process writes with
        self,
        key: str,
        record: Record,
        writer: Writer,
        holdings: Holdings,
        lease_ms: Callable[[], int],
        budget: Budget = NO_DEADLINE,
    ) -> None:
        self.key = key
        self._held = HeldRecord(key, record, writer, budget)
        self._writer = writer
        self._holdings = holdings
        self._lease_ms = lease_ms
        self._result: str | None = None
        self._promised_ms = lease_ms()
        self._promised_at = writer.moment()

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return f"Claimed(key={quoted(self.key)}, generation={self.generation})"

    @property
    def budget(self) -> Budget:
        """How long a write under this claim may take: as long as its invocation."""
        return self._held.budget

    @property
    def generation(self) -> int:
        """1 for the first claim on the key, +1 on every takeover: the fencing number."""
        return self.record.generation

    @property
    def record(self) -> Record:
        """The record as this claim last wrote it."""
        return self._held.record

    @property
    def done_record(self) -> Record:
        """The record as it is once the work is done, whether or not the store has it by now."""
        done = self.record.state is State.DONE
        return self.record if done else self.as_done(self.record, self._writer.stamp(0))

    def as_done(self, record: Record, stamp: Stamp) -> Record:
        """Return `record` as the completion of this claim writes it."""
        return protocol.completed(record, stamp, self._result)

    def __reduce__(self) -> str:
        message = (
            "a claim is held by one process, so it cannot be pickled or copied; retrying does not"
            " help: pass its key, and complete it where it was claimed"
        )
        raise TypeError(message)

    def complete(self, *, result: object = NO_RESULT) -> None:
        """Record that the work is done. Completing twice is the same as once.

        A duplicate finds `result` in `AlreadyDone.result`. It is stored as JSON of up to 256 KB;
        what cannot be stored is logged as an error, and the work is recorded as done without it.

        Raises `ClaimLostError` if a newer owner holds the key (retrying never helps; the effect may
        happen twice) and `StoreError` if the store cannot record it: then this process remembers
        the key as done and records it at the next chance.
        """
        with self._held.lock:
            if self.record.state is State.DONE:
                return
            self._keep(result)
            try:
                self._held.write(self.as_done)
            except IdemError as error:
                self._completion_ended(error)
                raise
            self._completion_ended(None)
            if self._result is not None and self._result != self.record.result:
                logger.error("key %s was completed before, without this result", quoted(self.key))

    def transaction_item(self, *, result: object = NO_RESULT) -> Any:
        """Return the entry of `TransactWriteItems` that records the work as done.

        Send it together with the writes that are the work, by a low-level DynamoDB client (a
        resource would encode it a second time): all of it is committed, or none and this claim is
        as before. Get it when all else is ready, as an `extend` after it makes it fail. Then go on
        as always: `complete` if the transaction committed; if it did not, or its answer was lost,
        raise or `release`, which finds out whether it did.

        Raises `ClaimLostError` if this claim is settled and `IdemError` if the store has no
        transactions; retrying never helps.
        """
        with self._held.lock:
            self._keep(result)
            write = self._held.next_write(self.as_done)
            item = self._writer.transaction_item(write)
            self._held.may_have_landed(write.record)
            return item

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
                promised_at = self._writer.moment()
                reading = self._write(protocol.extended, lease_ms)
                if reading.proves(self.record.lease_until_ms, lease_ms):
                    self._promised_ms, self._promised_at = lease_ms, promised_at
                    self._holdings.renew(self)
                    return
        problem = (
            f"the lease on key {quoted(self.key)} cannot be made to hold: each round trip was"
            " slower than the one before; retrying helps once the store answers evenly"
        )
        raise StoreError(problem, "", "extend")

    def freshen(self) -> None:
        """Extend the lease if the work starts well after the claim; raises as `extend` does."""
        left_ms = self._promised_ms - self._writer.elapsed_ms(self._promised_at)
        if left_ms < _FRESH * self._lease_ms():
            self.extend()

    def _keep(self, result: object) -> None:
        """Remember the result for as long as the completion may have to be written again."""
        if result is not NO_RESULT:
            from cxone_idem.result import to_text  # noqa: PLC0415

            self._result = to_text(result, self.key)

    def _write(self, change: Change, lease_ms: int = 0) -> Reading:
        try:
            return self._held.write(change, lease_ms)
        except ClaimLostError:
            self._holdings.drop(self)
            raise

    def _completion_ended(self, error: IdemError | None) -> None:
        if isinstance(error, StoreError):
            self._holdings.remember_unrecorded(self, lasting=not error.retryable)
            return
        self._holdings.drop(self)
        if error is None or self._held.gone:
            # The work is done, though its record may be gone.
            self._holdings.remember_done(self.done_record)


def complete_all(
    claims: Sequence[Claimed],
    writer: Writer,
    budget: Budget,
    beside: Sequence[Companion] = (),
) -> list[IdemError | None]:
    """Complete many claims in as few requests as the store can; return each one's error.

    The writes of those `beside` go along in the same requests.
    """
    waiting = [claim for claim in claims if claim.record.state is not State.DONE]
    held = [claim._held for claim in waiting]  # noqa: SLF001 -- this module's own
    errors = write_all(held, [claim.as_done for claim in waiting], writer, budget, beside)
    by_claim: dict[Claimed, IdemError] = {}
    for claim, error in zip(waiting, errors, strict=True):
        if error and claim.record.state is State.DONE:
            continue  # by another thread, while this one waited for it
        claim._completion_ended(error)  # noqa: SLF001 -- as above
        if error:
            by_claim[claim] = error
    return [by_claim.get(claim) for claim in claims]


def release_all(
    claims: Sequence[Claimed], writer: Writer, budget: Budget, *, begun: bool
) -> list[IdemError | None]:
    """Release many claims in as few requests as the store can; return each one's error.

    What was not `begun` under any of them was no attempt: one that may still be stored is released
    before this process claims its key again.
    """
    change = protocol.released if begun else protocol.returned
    held = [claim._held for claim in claims]  # noqa: SLF001 -- as above
    errors = write_all(held, [change] * len(held), writer, budget)
    for claim, error in zip(claims, errors, strict=True):
        claim._holdings.drop(claim)  # noqa: SLF001 -- as above
        # A record that is gone may be one that is still on its way.
        if not begun and (isinstance(error, StoreError) or claim._held.gone):  # noqa: SLF001 -- as above
            claim._holdings.doubt(claim)  # noqa: SLF001 -- as above
        if claim.record.state is State.DONE:  # by a transaction whose answer was lost
            claim._holdings.remember_done(claim.record)  # noqa: SLF001 -- as above
    return errors
