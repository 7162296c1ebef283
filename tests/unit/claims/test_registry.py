"""What a process remembers of work that is done: for how long, and how it gets it recorded."""

from __future__ import annotations

import logging
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    AlreadyDone,
    Claimed,
    ClaimLostError,
    Config,
    Deduplicator,
    InProgressError,
    MemoryStore,
    StoreError,
)
from cxone_idem.record import State
from cxone_idem.runtime import Runtime
from tests.support.clocks import MovableClock, TellsTime
from tests.support.engines import MemoryTable
from tests.support.events import Context, batch_of, failed
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.protocol.store import Budget, ConditionalPut, PutResult
    from cxone_idem.record import Record


def claimed(deduplicator: Deduplicator, key: str = "k") -> Claimed:
    """Claim a key that must be free."""
    outcome = deduplicator.claim(key)
    assert isinstance(outcome, Claimed)
    return outcome


# -- for how long


def test_a_done_key_is_remembered_for_a_minute(clock: MovableClock) -> None:
    """Then the store is asked, which starts another minute."""
    table = MemoryTable()
    deduplicator = Deduplicator(table, now=clock)
    claimed(deduplicator).complete()
    requests = table.requests
    for asked, seconds in ((0, 59), (1, 1), (1, 59), (2, 1)):
        clock.advance(seconds)
        assert not deduplicator.claim("k")
        assert table.requests == requests + asked


@pytest.mark.parametrize("backwards", [-3600, -30])
def test_a_clock_that_is_set_back_makes_no_memory_longer(
    clock: MovableClock, backwards: float
) -> None:
    """What measures passing time is the monotonic clock."""
    ticks = MovableClock(0)
    table = MemoryTable()
    deduplicator = Deduplicator(table, runtime=Runtime(now=clock, monotonic=ticks))
    claimed(deduplicator).complete()
    clock.advance(backwards)
    ticks.advance(61)
    requests = table.requests
    assert not deduplicator.claim("k")
    assert table.requests == requests + 1


def test_a_deleted_record_runs_again_once_the_memory_ends(clock: MovableClock) -> None:
    """Who deletes the item instead of forgetting the key waits for a minute, and not for ever."""
    table = Vanishing(clock)
    deduplicator = Deduplicator(table, now=clock)
    claimed(deduplicator).complete()
    table.vanish()
    assert not deduplicator.claim("k")
    clock.advance(60)
    assert deduplicator.claim("k")


def test_zero_remembers_nothing_that_is_done(clock: MovableClock) -> None:
    """Neither what this process did nor what it has read; a fresh table is a fresh start."""
    config = Config(remember_seconds=0)
    table = Vanishing(clock)
    deduplicator = Deduplicator(table, config, now=clock)
    for _ in range(2):
        ran: list[Any] = []
        for _ in range(3):
            assert failed(deduplicator.process_batch(batch_of("k", "l"), ran.append)) == []
        assert len(ran) == 2
        assert not deduplicator.claim("k")
        table.vanish()


def test_zero_still_remembers_what_is_not_recorded() -> None:
    """That is no saving of requests: without it the work would be done twice."""
    store = FailingStore(MemoryStore())
    store.fails = State.DONE
    deduplicator = Deduplicator(store, Config(remember_seconds=0))
    ran: list[Any] = []
    for _ in range(3):
        assert failed(deduplicator.process_batch(batch_of("k"), ran.append)) == []
    assert len(ran) == 1


# -- a record that is gone


class Vanishing:
    """A store whose records can be deleted at once, as by a table that is made anew."""

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self.vanish()

    def vanish(self) -> None:
        self._store = TellsTime(MemoryStore(), self._clock)

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        return self._store.put_if(record, expected_version)


def test_work_is_done_though_its_record_is_gone(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Deleted and logged; the same process drops its duplicates for as long as it remembers."""
    store = Vanishing(clock)
    deduplicator = Deduplicator(store, now=clock)
    ran: list[Any] = []

    def handler(event: Any) -> None:
        ran.append(event)
        store.vanish()

    for _ in range(3):
        assert failed(deduplicator.process_batch(batch_of("k"), handler)) == []
    assert len(ran) == 1
    assert "gone" in caplog.text
    outcome = deduplicator.claim("k")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.record.state is State.DONE
    assert outcome.record.done_at_ms is not None


def test_the_verbs_know_work_as_done_though_its_record_is_gone(clock: MovableClock) -> None:
    """`complete` raises, as nothing was recorded; the work is known to be done, with its result."""
    store = Vanishing(clock)
    deduplicator = Deduplicator(store, now=clock)
    claim = claimed(deduplicator)
    store.vanish()
    with pytest.raises(ClaimLostError, match="gone"):
        claim.complete(result=5)
    outcome = deduplicator.claim("k")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.result == 5


def test_what_was_given_up_is_not_done_because_its_record_is_gone(clock: MovableClock) -> None:
    """A handler that raised has done nothing."""
    store = Vanishing(clock)
    deduplicator = Deduplicator(store, now=clock)
    claim = claimed(deduplicator)
    store.vanish()
    with pytest.raises(ClaimLostError):
        claim.release()
    assert deduplicator.claim("k")


def test_what_a_newer_owner_has_is_the_newer_owners(clock: MovableClock) -> None:
    """Its record is asked: whether the event is done is for that worker to say."""
    store = TellsTime(MemoryStore(), clock)
    mine = Deduplicator(store, now=clock)
    late = claimed(mine)
    clock.advance(10_000)
    claimed(Deduplicator(store, now=clock))
    with pytest.raises(ClaimLostError):
        late.complete()
    with pytest.raises(InProgressError, match="another worker"):
        mine.claim("k")


# -- completions that wait


class Picky:
    """A store that takes many writes in one request, and never takes the completion of some."""

    def __init__(self, *, retryable: bool = True) -> None:
        self.memory = MemoryStore()
        self.fails: set[str] = set()
        self.completions: list[list[str]] = []
        """The keys of all completions in each request."""
        self._retryable = retryable

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        raise NotImplementedError

    def put_many(
        self, writes: Sequence[ConditionalPut], budget: Budget
    ) -> list[PutResult | StoreError]:
        if budget.seconds_left() < 0:
            return [StoreError("too late", "t", "PutItem") for _ in writes]
        keys = [write.record.partition_key for write in writes if write.record.state is State.DONE]
        if keys:
            self.completions.append(keys)
        return [self._put(write) for write in writes]

    def _put(self, write: ConditionalPut) -> PutResult | StoreError:
        if write.record.state is State.DONE and write.record.partition_key in self.fails:
            return StoreError("no", "t", "PutItem", retryable=self._retryable)
        return self.memory.put_if(*write)


def unrecorded(store: Picky, clock: MovableClock, *keys: str) -> Deduplicator:
    """Return a process that did the work of keys and could not record it."""
    deduplicator = Deduplicator(store, now=clock)
    store.fails = set(keys)
    assert failed(deduplicator.process_batch(batch_of(*keys), lambda _: None)) == []
    store.completions.clear()
    return deduplicator


def test_one_that_fails_keeps_no_other_waiting(clock: MovableClock) -> None:
    """All that wait go in one request, and each is taken or not on its own merit."""
    store = Picky()
    deduplicator = unrecorded(store, clock, "stuck", "b", "c")
    store.fails = {"stuck"}
    assert deduplicator.claim("other")
    assert store.completions == [["stuck", "b", "c"]]
    fresh = Deduplicator(store, now=clock)
    for key in ("b", "c"):
        assert isinstance(fresh.claim(key), AlreadyDone)
    with pytest.raises(InProgressError):
        fresh.claim("stuck")


@pytest.mark.parametrize(("retryable", "tries_max"), [(True, 12), (False, 5)])
def test_one_that_never_succeeds_is_tried_less_and_less_often(
    clock: MovableClock, *, retryable: bool, tries_max: int
) -> None:
    """Four hundred requests in 200 s bring some ten tries; for a lasting reason, one a minute."""
    store = Picky(retryable=retryable)
    deduplicator = unrecorded(store, clock, "k")
    for number in range(200):
        clock.advance(1)
        claimed(deduplicator, f"other-{number}").release()
        assert not deduplicator.claim("k")
    assert 2 <= len(store.completions) <= tries_max
    store.fails.clear()
    clock.advance(100)
    deduplicator.claim("another")
    assert isinstance(Deduplicator(store, now=clock).claim("k"), AlreadyDone)


def test_a_later_invocation_records_what_an_earlier_one_could_not(clock: MovableClock) -> None:
    """The time that is left is the later one's; the earlier one has none any more."""
    store = Picky()
    store.fails = {"k"}
    deduplicator = Deduplicator(store, now=clock)
    over = Context(30_000)
    deduplicator.process_batch(batch_of("k"), lambda _: None, context=over)
    over.remaining_ms = 0
    store.fails.clear()
    deduplicator.process_batch(batch_of("other"), lambda _: None, context=Context(30_000))
    assert isinstance(Deduplicator(store, now=clock).claim("k"), AlreadyDone)


def test_a_completion_recorded_late_keeps_its_result(clock: MovableClock) -> None:
    """Those that go together have each a result of their own."""
    store = Picky()
    store.fails = {"a", "b"}
    deduplicator = Deduplicator(store, now=clock)
    for key in ("a", "b"):
        with pytest.raises(StoreError):
            claimed(deduplicator, key).complete(result=f"result of {key}")
    store.fails.clear()
    deduplicator.claims.record_pending()
    for key in ("a", "b"):
        outcome = Deduplicator(store, now=clock).claim(key)
        assert isinstance(outcome, AlreadyDone)
        assert outcome.result == f"result of {key}"


def test_two_threads_that_record_the_same_say_nothing_of_a_loss(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The one that comes second finds it done, by this same process."""
    caplog.set_level(logging.INFO, "cxone_idem")
    memory = MemoryStore()
    threads: list[Thread] = []

    class Meeting(FailingStore):
        def put_if(self, record: Record, expected_version: str | None) -> PutResult:
            if record.state is State.DONE and self.fails is None:
                thread = Thread(target=deduplicator.claims.record_pending)
                threads.append(thread)
                thread.start()
                thread.join(timeout=0.2)  # it waits for the claim, which is being written here
            return super().put_if(record, expected_version)

    store = Meeting(memory)
    deduplicator = Deduplicator(store)
    store.fails = State.DONE
    with pytest.raises(StoreError):
        claimed(deduplicator).complete()
    store.fails = None
    deduplicator.claims.record_pending()
    for thread in threads:
        thread.join()
    assert "too late" not in caplog.text
    assert "recorded at last" in caplog.text
    assert isinstance(Deduplicator(memory).claim("k"), AlreadyDone)


# -- bounds


def test_claims_that_are_extended_keep_no_abandoned_one_from_being_forgotten(
    clock: MovableClock,
) -> None:
    """A job that lasts for ever is the oldest claim, and not the next one to expire."""
    config = Config(lease_seconds=60, retention_seconds=60)
    deduplicator = Deduplicator(MemoryStore(), config, now=clock)
    job = claimed(deduplicator, "job")
    for number in range(100):
        job.extend()
        deduplicator.claim(f"abandoned-{number}")
        clock.advance(10)
    assert len(deduplicator.claims.open_claims()) < 20
    job.complete()


def test_done_at_is_never_before_claimed_at(clock: MovableClock) -> None:
    """The first answer may move the estimate of the store's clock back by most of a second."""
    clock.advance(0.9)
    claim = claimed(Deduplicator(TellsTime(MemoryStore(), clock), now=clock))
    claim.complete()
    assert claim.record.done_at_ms is not None
    assert claim.record.claimed_at_ms is not None
    assert claim.record.done_at_ms >= claim.record.claimed_at_ms
