"""Leases between machines whose clocks are wrong, at the bound and in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cxone_idem import Config, Deduplicator, InProgressError, StoreError
from tests.support.clocks import START_SECONDS, MovableClock, TellsTime
from tests.support.engines import MemoryTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.protocol.store import PutResult, Store
    from cxone_idem.record import Record

LEASE_SECONDS = 60


class Skewed:
    """A machine's clock that is wrong by a constant."""

    def __init__(self, true: MovableClock, ahead_seconds: float) -> None:
        self._true = true
        self._ahead_seconds = ahead_seconds

    def __call__(self) -> float:
        return self._true() + self._ahead_seconds


def worker(
    table: MemoryTable,
    true: MovableClock,
    ahead_seconds: float,
    told: bool = True,  # noqa: FBT001, FBT002
) -> Deduplicator:
    """Return a consumer on a machine whose clock is `ahead_seconds` off."""
    store = TellsTime(table, true) if told else table
    return Deduplicator(store, Config(lease_seconds=LEASE_SECONDS), now=Skewed(true, ahead_seconds))


@pytest.mark.parametrize("owner_ahead", [-120, -3.5, -3, -2, 0, 2, 120])
@pytest.mark.parametrize("other_ahead", [-120, 0, 120])
@pytest.mark.parametrize("phase", [0.0, 0.001, 0.5, 0.999])
def test_a_lease_holds_whatever_the_clocks_say(
    owner_ahead: float, other_ahead: int, phase: float
) -> None:
    """To the last millisecond of the promised time nobody takes over, nor on a first claim."""
    true = MovableClock(START_SECONDS + phase)
    table = MemoryTable()
    assert worker(table, true, owner_ahead).claim("k")
    true.advance(LEASE_SECONDS - 0.001)
    with pytest.raises(InProgressError):
        worker(table, true, other_ahead).claim("k")


@pytest.mark.parametrize("owner_ahead", [-120, -2, 0, 2])
@pytest.mark.parametrize("other_ahead", [-120, 0, 120])
def test_a_lapsed_lease_is_taken_over_soon_whatever_the_clocks_say(
    owner_ahead: int, other_ahead: int
) -> None:
    """Margin (3 s), the cut of a date (1 s), and what a fast clock added: then it is free."""
    true = MovableClock(START_SECONDS + 0.5)
    table = MemoryTable()
    assert worker(table, true, owner_ahead).claim("k")
    true.advance(LEASE_SECONDS + 3 + 1 + max(0, owner_ahead))
    assert worker(table, true, other_ahead).claim("k")


def test_a_right_clock_never_stamps_twice() -> None:
    """Restamping costs a request: a worker with a right clock pays it never, at no phase."""
    for phase_ms in range(0, 1000, 50):
        table = MemoryTable()
        deduplicator = worker(table, MovableClock(START_SECONDS + phase_ms / 1000), 0)
        for number in range(3):
            assert deduplicator.claim(f"key-{number}")
        assert table.requests == 3


def test_a_slow_clock_stamps_its_first_lease_twice_and_then_knows() -> None:
    """The first answer shows the clock to be slow; later leases are right at once."""
    table = MemoryTable()
    deduplicator = worker(table, MovableClock(START_SECONDS + 0.5), -120)
    assert deduplicator.claim("a")
    assert table.requests == 2
    assert deduplicator.claim("b")
    assert table.requests == 3


@pytest.mark.parametrize("ahead", [-2.999, 2.999])
def test_without_the_stores_time_clocks_may_differ_by_the_margin(ahead: float) -> None:
    """A store that tells no time leaves the margin of 3 s between two machines."""
    true = MovableClock()
    table = MemoryTable()
    assert worker(table, true, 0, told=False).claim("k")
    true.advance(LEASE_SECONDS - 0.001)
    with pytest.raises(InProgressError):
        worker(table, true, ahead, told=False).claim("k")


class Slow:
    """A store whose answers take as long as a test says, growing by the second or not."""

    def __init__(
        self, table: MemoryTable, true: MovableClock, trip: Callable[[int], float]
    ) -> None:
        self._inner = TellsTime(table, true)
        self._true = true
        self._trip = trip
        self.requests = 0

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        self.requests += 1
        self._true.advance(self._trip(self.requests))
        return self._inner.put_if(record, expected_version)


def test_slow_round_trips_are_allowed_for() -> None:
    """Ten seconds a trip: the lease is stamped a second time, longer, and then proven."""
    true = MovableClock()
    table = MemoryTable()
    store = Slow(table, true, lambda _: 10.0)
    claim = Deduplicator(store, Config(lease_seconds=LEASE_SECONDS), now=true).claim("k")
    assert claim
    assert store.requests == 2
    true.advance(LEASE_SECONDS - 10.001)
    with pytest.raises(InProgressError):
        worker(table, true, 0).claim("k")
    claim.complete()


def test_a_lease_that_cannot_be_proven_is_given_up() -> None:
    """Each trip slower than the last: no lease is promised, and the key is free again."""
    true = MovableClock()
    table = MemoryTable()
    store = Slow(table, true, lambda number: 10.0 * number)
    with pytest.raises(StoreError, match="could be secured"):
        Deduplicator(store, Config(lease_seconds=LEASE_SECONDS), now=true).claim("k")
    assert worker(table, true, 0).claim("k")


class Overtaken:
    """A store in which another worker claims right after the first write."""

    def __init__(self, inner: Store, other: Deduplicator) -> None:
        self._inner = inner
        self._other: Deduplicator | None = other

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        answer = self._inner.put_if(record, expected_version)
        if self._other is not None:
            other, self._other = self._other, None
            assert other.claim(record.partition_key)
        return answer


def test_a_lease_lost_before_it_is_proven_is_in_progress_elsewhere() -> None:
    """A clock two minutes slow stamps a lease that is over already; whoever takes it, has it."""
    true = MovableClock()
    table = MemoryTable()
    store = Overtaken(TellsTime(table, true), worker(table, true, 0))
    slow = Deduplicator(
        store, Config(lease_seconds=LEASE_SECONDS), now=Skewed(true, ahead_seconds=-120)
    )
    with pytest.raises(InProgressError):
        slow.claim("k")
