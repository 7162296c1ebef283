"""How this process writes records: stamped with fresh versions and the store's time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem.clock import LEASE_MARGIN_MS, Reading, StoreClock
from cxone_idem.errors import StoreError
from cxone_idem.protocol import Stamp
from cxone_idem.store import Answer, transaction_item
from cxone_idem.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.store import Budget, Store, Write

    PutMany = Callable[[Sequence[Write], Budget], list[Answer | StoreError]]


class Reply(NamedTuple):
    """A store's answer, and what it proves about the store's clock."""

    answer: Answer | StoreError
    reading: Reading


class Moment(NamedTuple):
    """A point in time of this process; `Writer.elapsed_ms` says how long ago it was."""

    monotonic_seconds: float
    wall_seconds: float


class Writer:
    """A store together with the clock and the versions that its writes are stamped with."""

    def __init__(
        self,
        store: Store,
        retention_seconds: float,
        now: Callable[[], float],
        new_version: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._put_many: PutMany | None = getattr(store, "put_many", None)
        self._retention_ms = int(retention_seconds * 1000)
        self._clock = StoreClock(now)
        self._now = now
        self._monotonic = monotonic
        self._new_version = new_version
        self.tally = Tally()

    def stamp(self, lease_ms: int) -> Stamp:
        """Return a stamp for a write that is sent now and needs a lease of `lease_ms` (0: none)."""
        now_ms = self._clock.store_ms()
        lease_until_ms = now_ms
        if lease_ms:
            lease_until_ms += lease_ms + LEASE_MARGIN_MS
        # Retention counts from the end of the lease, or TTL could delete work still in progress.
        expires_at = -(-(lease_until_ms + self._retention_ms) // 1000)
        return Stamp(self._new_version(), now_ms, lease_until_ms, expires_at)

    def store_ms(self) -> int:
        """Return the best guess of the store's clock, epoch milliseconds."""
        return self._clock.store_ms()

    def local_ms(self) -> int:
        """Return this machine's clock, epoch milliseconds."""
        return self._clock.local_ms()

    def moment(self) -> Moment:
        """Return now, for `elapsed_ms`."""
        return Moment(self._monotonic(), self._now())

    def elapsed_ms(self, since: Moment) -> int:
        """Return how much time has passed since `since`, at least.

        The monotonic clock cannot be set back, and the wall clock counts a pause of the machine
        that the other may not (a virtual machine that was suspended): the longer one is right.
        """
        seconds = max(self._monotonic() - since.monotonic_seconds, self._now() - since.wall_seconds)
        return int(seconds * 1000)

    def put_many(self, writes: Sequence[Write], budget: Budget) -> list[Reply]:
        """Write each record on its condition, in as few requests as the store can.

        The answers come in the order of the writes; a failure is an answer like another.
        """
        if self._put_many is None:
            return [reply for write in writes for reply in self._send(self._put_one, [write])]
        if not writes:
            return []
        put_many = self._put_many
        return self._send(lambda writes: put_many(writes, budget), writes)

    def transaction_item(self, write: Write) -> Any:
        """Return a write as an entry of the store's transactions; it is not sent."""
        return transaction_item(self._store, write)

    def _put_one(self, writes: Sequence[Write]) -> list[Answer | StoreError]:
        return [self._store.put_if(*write) for write in writes]

    def _send(
        self, put: Callable[[Sequence[Write]], list[Answer | StoreError]], writes: Sequence[Write]
    ) -> list[Reply]:
        sent_ms = self._clock.local_ms()
        try:
            answers = _checked(put(writes), len(writes))
        except StoreError as error:
            answers = [error for _ in writes]
        except Exception as error:  # noqa: BLE001 -- whatever a store raises, the write may have landed
            answers = [_unexpected(error) for _ in writes]
        self.tally.request(self._clock.local_ms() - sent_ms)
        return [
            self._reply(sent_ms, write, answer)
            for write, answer in zip(writes, answers, strict=True)
        ]

    def _reply(self, sent_ms: int, write: Write, answer: Answer | StoreError) -> Reply:
        date_seconds = None
        if not isinstance(answer, StoreError):
            date_seconds = answer.date_seconds
            self.tally.write(write, answer)
        return Reply(answer, self._clock.observe(sent_ms, date_seconds))


def _checked(answers: list[Any], count: int) -> list[Answer | StoreError]:
    """Return a store's answers; raise if they are not an answer to each write."""
    odd = [one for one in answers if not isinstance(one, (Answer, StoreError))]
    if odd or len(answers) != count:
        message = f"{len(answers) - len(odd)} answers that can be read to {count} writes"
        raise ValueError(message)
    return answers


def _unexpected(error: Exception) -> StoreError:
    problem = (
        f"the store raised {type(error).__name__}, which is none of its errors ({error}); whether"
        " retrying helps is not known: look at what wraps the store or the AWS SDK"
    )
    failure = StoreError(problem, "", "put_if", outcome_unknown=True)
    failure.__cause__ = error
    return failure
