"""A claim as users hold it, and the one that running code works under."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from cxone_idem.claims.manager import ClaimManager
from cxone_idem.claims.result import NO_RESULT
from cxone_idem.errors import IdemError
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import Record, State
from cxone_idem.text import quoted

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger("cxone_idem")


class Claimed:
    """A claim that this process holds: do the work, then `complete` it. Truthy; thread-safe.

    As a context manager it completes at the end of the block, and releases if the block raises. A
    claim that is settled raises `ClaimLostError` before the block runs.
    """

    def __init__(self, held: HeldClaim, manager: ClaimManager) -> None:
        self.held = held
        self._manager = manager

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return f"Claimed(key={quoted(self.key)}, generation={self.generation})"

    def __reduce__(self) -> str:
        message = (
            "a claim is held by one process, so it cannot be pickled or copied; retrying does not"
            " help: pass its key, and complete it where it was claimed"
        )
        raise TypeError(message)

    def __enter__(self) -> Self:
        error = self.held.settled_error()
        if error:  # without a claim the block must not run
            raise error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.record.state is not State.IN_PROGRESS:
            return  # the block completed or released it
        if kind is None:
            self.complete()
        else:
            release_after_failure(self)

    @property
    def key(self) -> str:
        """The key that is claimed."""
        return self.held.key

    @property
    def record(self) -> Record:
        """The record as this claim last wrote it."""
        return self.held.record

    @property
    def generation(self) -> int:
        """1 for the first claim on the key, +1 on every takeover: the fencing token."""
        return self.record.generation

    def complete(self, *, result: object = NO_RESULT) -> None:
        """Record that the work is done. Completing twice is the same as once.

        A duplicate finds `result` in `AlreadyDone.result`. It is stored as JSON of up to 256 KB.
        A result that cannot be stored is logged as an error, and the work is recorded without it.

        Raises `ClaimLostError` if a newer owner holds the key (retrying never helps; the effect may
        happen twice) and `StoreError` if the store cannot record it: then this process remembers
        the key as done and records it as soon as it can.
        """
        self._manager.complete(self.held, result)

    def transaction_item(self, *, result: object = NO_RESULT) -> Any:
        """Return the entry of `TransactWriteItems` that records the work as done.

        Send it together with the writes that are the work, by a low-level DynamoDB client (a
        resource would encode it a second time). All of it is committed, or none, and this claim is
        as before. Get it when all else is ready: an `extend` after it makes it fail. Then go on as
        always: `complete` if the transaction committed. If it did not, or its answer was lost,
        raise or `release`, which finds out whether it did.

        Raises `ClaimLostError` if this claim is settled and `IdemError` if the store has no
        transactions; retrying never helps.
        """
        return self._manager.transaction_item(self.held, result)

    def release(self) -> None:
        """Free the key undone, so that the next delivery need not wait for the lease to end.

        Raises `ClaimLostError` if another worker has it by now, and `StoreError` if the store
        cannot write it: then the lease ends by itself.
        """
        self._manager.release(self.held)

    def extend(self) -> None:
        """Make the lease last its full length from now: the heartbeat of long work.

        Raises `ClaimLostError` if another worker has it by now (stop working, if you can), and
        `StoreError` if the store cannot write it (retrying helps while the old lease lasts).
        """
        self._manager.extend(self.held)


def release_after_failure(claim: Claimed) -> None:
    """Release, but raise nothing: the error of the work is the one that counts."""
    try:
        claim.release()
    except IdemError as error:
        log_not_released([claim.held], [error])


def log_not_released(claims: Sequence[HeldClaim], errors: Sequence[IdemError | None]) -> None:
    """Log each claim that could not be released: it ends with its lease."""
    for held, error in zip(claims, errors, strict=True):
        if error and held.record.state is not State.DONE:  # a transaction of the work committed it
            logger.warning("key %s was not released: %s", quoted(held.key), error)


_current: ContextVar[Claimed | None] = ContextVar("cxone_idem_current_claim")


def current_claim() -> Claimed | None:
    """Return the claim that the running `process_event` or `@once` function works under.

    None if the function runs without one, because `CXONE_IDEM_DISABLED` is set. Raises `IdemError`
    if no such function is running here (retrying never helps). A thread that the function started
    is not here, so pass it the claim.
    """
    try:
        return _current.get()
    except LookupError:
        message = (
            "no process_event and no @once function is running in this thread or task, so there is"
            " no current claim; retrying does not help: call current_claim() in the function"
            " itself, and pass the claim to the threads it starts"
        )
        raise IdemError(message) from None


@contextmanager
def under(claim: Claimed | None) -> Iterator[None]:
    """Make `claim` the current one for as long as the block runs."""
    token = _current.set(claim)
    try:
        yield
    finally:
        _current.reset(token)
