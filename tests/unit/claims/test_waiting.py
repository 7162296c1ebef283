"""Waiting for a worker elsewhere: how long, how often, and who else is held up by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import AlreadyDone, Claimed, Config, Deduplicator, InProgressError
from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.waiting import WaitPolicy
from cxone_idem.record import State
from cxone_idem.runtime import Runtime
from tests.support.clocks import MovableClock, TellsTime
from tests.support.engines import MemoryTable
from tests.support.events import Context, batch_of, failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

WAITS = Config(lease_seconds=60, wait_seconds=30)


class CountingTable(MemoryTable):
    """A store in memory that counts the writes that claim."""

    claims = 0

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        self.claims += record.state is State.IN_PROGRESS
        return super().put_if(record, expected_version)


class Waiter(Deduplicator):
    """A consumer whose sleep moves the clock, and lets the world go on meanwhile."""

    def __init__(
        self, table: MemoryTable, clock: MovableClock, config: Config = WAITS, share: float = 1
    ) -> None:
        self.pauses_seconds: list[float] = []
        self.meanwhile: Callable[[int], None] = lambda _: None
        super().__init__(
            TellsTime(table.store(), clock),
            config,
            runtime=Runtime(now=clock, sleep=self._sleep, random=lambda: share),
        )
        self._clock = clock

    def _sleep(self, seconds: float) -> None:
        self.pauses_seconds.append(seconds)
        self._clock.advance(seconds)
        self.meanwhile(len(self.pauses_seconds))


@pytest.fixture
def store() -> CountingTable:
    """Return a store in memory that counts requests."""
    return CountingTable()


@pytest.fixture
def elsewhere(store: MemoryTable, clock: MovableClock) -> Deduplicator:
    """Return another worker on that store."""
    return Deduplicator(TellsTime(store, clock), WAITS, now=clock)


def held(deduplicator: Deduplicator, key: str) -> Claimed:
    """Claim a key that must be free."""
    claim = deduplicator.claim(key)
    assert claim
    return claim


def keys_into(ran: list[str]) -> Callable[[dict[str, Any]], None]:
    """Return a handler that keeps the keys it is given."""
    return lambda event: ran.append(event["detail"]["IdempotencyKey"])


def test_pauses_grow_and_add_up_to_the_wait() -> None:
    """They double up to five seconds; the last one ends with the wait, none is left over."""
    waiting = WaitPolicy(Config(wait_seconds=20), Invocation(None), lambda: 1)
    pauses = list(iter(lambda: waiting.next_pause_seconds(300), 0))
    assert pauses[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert max(pauses) == 5.0
    assert sum(pauses) == pytest.approx(20)
    assert waiting.next_pause_seconds(300) == 0


def test_pauses_are_jittered() -> None:
    """Chance takes up to a half off, so that workers do not ask in step."""
    pauses = [
        WaitPolicy(WAITS, Invocation(None), lambda: share).next_pause_seconds(300)  # noqa: B023
        for share in (0.0, 0.5, 1.0)
    ]
    assert pauses == [0.05, pytest.approx(0.075), 0.1]


def test_no_pause_goes_past_the_end_of_the_lease() -> None:
    """Then the key is free at the latest."""
    waiting = WaitPolicy(WAITS, Invocation(None), lambda: 1)
    for _ in range(6):
        waiting.next_pause_seconds(300)
    assert waiting.next_pause_seconds(2.5) == 2.5
    assert waiting.next_pause_seconds(-1) == 0.1


def test_no_pause_takes_the_time_to_start_the_work() -> None:
    """A wait ends before the invocation has too little left for another message."""
    context = Context(5_000)
    config = Config(wait_seconds=30, min_remaining_seconds=2)
    waiting = WaitPolicy(config, Invocation(context), lambda: 1)
    while pause_seconds := waiting.next_pause_seconds(300):
        context.remaining_ms -= int(pause_seconds * 1000)
    assert context.remaining_ms > 2_000
    assert waiting.next_pause_seconds(300) == 0


def test_without_the_setting_nobody_waits(store: MemoryTable, elsewhere: Deduplicator) -> None:
    """By default a key in progress elsewhere is an error at once, with one write."""
    held(elsewhere, "k")
    with pytest.raises(InProgressError):
        Deduplicator(store, runtime=Runtime(sleep=_never)).claim("k")
    assert store.requests == 2


def _never(_: float) -> None:
    raise AssertionError


def test_a_claim_waits_for_the_work_to_be_done(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """Done meanwhile is done; each look was one write."""
    claim = held(elsewhere, "k")
    waiter = Waiter(store, clock)
    waiter.meanwhile = lambda pauses: claim.complete() if pauses == 3 else None
    requests = store.requests
    assert isinstance(waiter.claim("k"), AlreadyDone)
    assert waiter.pauses_seconds == [0.1, 0.2, 0.4]
    assert store.requests == requests + 4 + 1


def test_a_claim_waits_for_the_key_to_be_free(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """Released meanwhile it is ours, and so it is when the holder's lease ends."""
    claim = held(elsewhere, "k")
    waiter = Waiter(store, clock)
    waiter.meanwhile = lambda pauses: claim.release() if pauses == 2 else None
    assert held(waiter, "k").generation == 2
    held(elsewhere, "dead")
    clock.advance(45)
    assert held(waiter, "dead").generation == 2


def test_a_wait_ends(store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator) -> None:
    """After `wait_seconds` in all the claim raises as it would have at once."""
    held(elsewhere, "k")
    waiter = Waiter(store, clock)
    with pytest.raises(InProgressError):
        waiter.claim("k")
    assert sum(waiter.pauses_seconds) == pytest.approx(30)


def test_a_batch_does_not_wait(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """It would bill the time: the message fails, and comes back when that makes sense."""
    held(elsewhere, "k")
    waiter = Waiter(store, clock)
    assert failed(waiter.process_batch(batch_of("k", "l"), lambda _: None)) == ["m0"]
    assert waiter.pauses_seconds == []
