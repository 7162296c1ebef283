"""Running an event again: `forget` makes what is done free to claim, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import cxone_idem
from cxone_idem import (
    AttemptsExhaustedError,
    Claimed,
    Config,
    Deduplicator,
    InProgressError,
    KeyMissingError,
    MemoryStore,
    StoreError,
)
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from cxone_idem.record import State
from cxone_idem.testing.rehearsal import Rehearsal
from tests.support.clocks import MovableClock, TellsTime
from tests.support.events import batch_of, failed
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

LEASE_SECONDS = 60
PAST_THE_LEASE_SECONDS = LEASE_SECONDS + 3 + 1


def worker(table: Any, clock: MovableClock, **settings: Any) -> Deduplicator:
    """Return a consumer of its own: only the table is shared with other workers."""
    config = Config(lease_seconds=LEASE_SECONDS, retention_seconds=3600, **settings)
    return Deduplicator(TellsTime(table.store(), clock), config, now=clock)


def claimed(deduplicator: Deduplicator) -> Claimed:
    """Claim a key that must be free."""
    outcome = deduplicator.claim("k")
    assert isinstance(outcome, Claimed)
    return outcome


def test_what_is_done_is_free_again_and_the_fence_rises(table: Any, clock: MovableClock) -> None:
    """In the process that did it and in others: forgotten, claimed, done again."""
    mine, other = worker(table, clock), worker(table, clock)
    claimed(mine).complete()
    mine.forget("k")
    claim = claimed(mine)
    assert claim.generation == 2
    claim.complete()
    other.forget("k")
    assert claimed(other).generation == 3


def test_it_takes_two_writes_and_no_read(table: Any, clock: MovableClock) -> None:
    """One is refused and says what is stored, the other frees it: PutItem alone is needed."""
    claimed(worker(table, clock)).complete()
    requests = table.requests
    worker(table, clock).forget("k")
    assert table.requests == requests + 2


def test_forgetting_twice_is_the_same_as_once(table: Any, clock: MovableClock) -> None:
    """Also what was released, and what was never claimed, stays as it is."""
    deduplicator = worker(table, clock)
    deduplicator.forget("k")
    assert claimed(deduplicator).generation == 1
    deduplicator.release("k")
    deduplicator.forget("k")
    claimed(deduplicator).complete()
    deduplicator.forget("k")
    deduplicator.forget("k")
    assert claimed(deduplicator).generation == 3


def test_a_key_that_is_not_there_gets_no_item(items: Any, clock: MovableClock) -> None:
    """The look is a write that nothing lets pass."""
    worker(items, clock).forget("k")
    assert items.item("k") is None


def test_a_key_in_progress_is_refused(table: Any, clock: MovableClock) -> None:
    """Its worker goes on; once its lease is over, the key is free in any case."""
    claim = claimed(worker(table, clock))
    with pytest.raises(InProgressError, match="another worker") as caught:
        worker(table, clock).forget("k")
    assert caught.value.retry_after_seconds == LEASE_SECONDS + 3
    clock.advance(PAST_THE_LEASE_SECONDS)
    worker(table, clock).forget("k")
    claim.complete()
    assert not worker(table, clock).claim("k")


def test_a_lost_answer_is_recognised(table: Any, clock: MovableClock) -> None:
    """Freed, connection cut, sent again: the record says that it is free by our own version."""
    claimed(worker(table, clock)).complete()
    deduplicator = worker(table, clock)
    table.lose_answers(2)
    deduplicator.forget("k")
    assert claimed(deduplicator).generation == 2


def test_an_old_marker_can_be_done_again(items: Any, clock: MovableClock) -> None:
    """It has no version, and no generation before the first."""
    items.put_raw({"id": {"S": "k"}, "processed": {"BOOL": True}})
    deduplicator = worker(items, clock, max_attempts=1)
    assert not deduplicator.claim("k")
    deduplicator.forget("k")
    assert claimed(deduplicator).generation == 1


@pytest.mark.parametrize("attempts", [1, 2])
def test_it_allows_one_more_attempt_whatever_the_cap(
    table: Any, clock: MovableClock, attempts: int
) -> None:
    """A completion ends the count. The attempt that follows is one like any other."""
    settings = {"max_attempts": 2}
    for _ in range(attempts - 1):
        claimed(worker(table, clock, **settings)).release()
    claimed(worker(table, clock, **settings)).complete()
    worker(table, clock, **settings).forget("k")
    claimed(worker(table, clock, **settings)).release()
    if attempts == 1:
        worker(table, clock, **settings).forget("k")
    with pytest.raises(AttemptsExhaustedError):
        worker(table, clock, **settings).claim("k")


class Interfering:
    """A store in which somebody acts right before the write that frees a key."""

    def __init__(self, acts: Any) -> None:
        self.memory = MemoryStore()
        self._acts = acts

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if record.state is State.RELEASED and self._acts:
            self._acts.pop()(self.memory)
        return self.memory.put_if(record, expected_version)


def test_a_worker_that_came_first_is_not_disturbed() -> None:
    """Freed by somebody else and claimed: that worker's claim stays."""

    def another(memory: MemoryStore) -> None:
        deduplicator = Deduplicator(memory)
        deduplicator.forget("k")
        assert deduplicator.claim("k")

    store = Interfering([another])
    claimed(Deduplicator(store)).complete()
    with pytest.raises(InProgressError):
        Deduplicator(store).forget("k")


def test_a_key_this_process_holds_blames_no_other_worker(clock: MovableClock) -> None:
    """An event is not run again from within its own handler."""
    deduplicator = Deduplicator(MemoryStore(), now=clock)
    deduplicator.claim("k")
    with pytest.raises(InProgressError, match="this same process"):
        deduplicator.forget("k")


def test_done_but_unrecorded_is_recorded_first() -> None:
    """As long as it cannot be, it cannot be forgotten either, and is not done twice."""
    store = FailingStore(MemoryStore())
    deduplicator = Deduplicator(store)
    ran: list[Any] = []
    store.fails = State.DONE
    deduplicator.process_batch(batch_of("k"), ran.append)
    with pytest.raises(StoreError):
        deduplicator.forget("k")
    deduplicator.process_batch(batch_of("k"), ran.append)
    assert len(ran) == 1
    store.fails = None
    deduplicator.forget("k")
    assert failed(deduplicator.process_batch(batch_of("k"), ran.append)) == []
    assert len(ran) == 2


@pytest.mark.parametrize("executes", [False, True], ids=["not-executed", "executed"])
def test_an_answer_that_never_comes_is_an_error_and_nothing_is_assumed(
    executes: bool,  # noqa: FBT001
) -> None:
    """The store is asked what became of the key: the memory of it is gone in any case."""
    store = FailingStore(MemoryStore())
    deduplicator = Deduplicator(store)
    claimed(deduplicator).complete()
    store.fails, store.executes = State.RELEASED, executes
    with pytest.raises(StoreError):
        deduplicator.forget("k")
    store.fails = None
    assert bool(deduplicator.claim("k")) is executes


def test_a_key_that_is_none_is_refused() -> None:
    """As by every verb."""
    with pytest.raises(KeyMissingError):
        Deduplicator(MemoryStore()).forget(" ")


def test_it_is_beside_the_other_verbs() -> None:
    """On the package and on the async deduplicator too."""
    rehearsal = Rehearsal()
    with rehearsal.serving():
        for _ in range(2):
            assert cxone_idem.claim("k")
            cxone_idem.complete("k")
            cxone_idem.forget("k")
    mine = AsyncDeduplicator(rehearsal.deduplicator)

    async def again() -> None:
        for _ in range(2):
            claim = await mine.claim("k")
            assert claim
            await mine.complete(claim)
            await mine.forget("k")

    asyncio.run(again())
