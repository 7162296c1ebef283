"""A rehearsal of a consumer: a clock to move, a store in memory, other workers on cue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cxone_idem.claims.claim import Claimed
from cxone_idem.config import Config
from cxone_idem.deduplicator import Deduplicator, replaced_by
from cxone_idem.errors import StoreError
from cxone_idem.protocol.store import ConditionalPut, PutResult, Store, transaction_item
from cxone_idem.record import Record, State
from cxone_idem.runtime import Runtime
from cxone_idem.sqs.decoding import Decode
from cxone_idem.sqs.outcome import Outcome
from cxone_idem.stores.memory import MemoryStore

START_SECONDS = 2_000_000_000.0


class MovableClock:
    """Epoch seconds that stand still until they are moved."""

    def __init__(self, seconds: float = START_SECONDS) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class RehearsalStore:
    """A store with the time of a clock of yours, if any, that counts requests and loses answers."""

    def __init__(
        self, store: Store | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self.requests = 0
        """Writes sent so far, the SDK's retries included."""
        self.leases_until_ms = 0
        """When the last of all leases written so far ends, epoch milliseconds."""
        self._store = store or MemoryStore()
        self._clock = clock
        self._to_lose = 0
        self._retried = True

    def lose_answers(self, times: int = 1, *, retried: bool = True) -> None:
        """Carry out the next writes, but lose their answers.

        The AWS SDK then sends the write again; if that is not `retried`, the write ends in a
        `StoreError` whose outcome is unknown.
        """
        self._to_lose, self._retried = times, retried

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Write as the store behind does, as often as the SDK has to."""
        if record.state is State.IN_PROGRESS:
            self.leases_until_ms = max(self.leases_until_ms, record.lease_until_ms)
        while True:
            self.requests += 1
            answer = self._store.put_if(record, expected_version)
            if not self._to_lose:
                return answer._replace(date_seconds=int(self._clock())) if self._clock else answer
            self._to_lose -= 1
            if not self._retried:
                problem = "the store did not answer; retrying helps once it can be reached"
                raise StoreError(problem, "rehearsal", "PutItem", outcome_unknown=True)

    def transaction_item(self, write: ConditionalPut) -> Any:
        """Return what the store behind makes of a write for its transactions."""
        return transaction_item(self._store, write)


class Rehearsal:
    """Your consumer's `deduplicator`, the `store` in memory it works on, and the `clock` of both.

    A wait of the deduplicator moves the clock instead of sleeping.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = Config() if config is None else config
        self.clock = MovableClock()
        self.store = RehearsalStore(clock=self.clock)
        self.deduplicator = self._worker()

    def hold_elsewhere(self, key: str) -> Claimed:
        """Have another worker claim `key`; complete or release it as your story goes.

        Raises `ValueError` if the key is done already.
        """
        claim = self._worker().claim(key)
        if isinstance(claim, Claimed):
            return claim
        message = f"key {key!r} is done already, so no other worker can hold it"
        raise ValueError(message)

    def let_leases_lapse(self) -> None:
        """Let time pass until every lease is over, as if their workers had died."""
        # One second more, as the time of a store is in whole seconds.
        self.clock.seconds = max(self.clock.seconds, self.store.leases_until_ms / 1000 + 1)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Have `Deduplicator.from_environ` and `cxone_idem.claim` and so on work in here.

        Import your consumer under it, if it makes its deduplicator when it is imported.
        """

        def make(
            on_outcome: Callable[[Outcome], object] | None, decode: Decode | None
        ) -> Deduplicator:
            if on_outcome is not None or decode is not None:
                self.deduplicator = self._worker(on_outcome=on_outcome, decode=decode)
            return self.deduplicator

        with replaced_by(make):
            yield

    def _worker(self, **hooks: Any) -> Deduplicator:
        runtime = Runtime(now=self.clock, sleep=self.clock.advance)
        return Deduplicator(self.store, self.config, runtime=runtime, **hooks)
