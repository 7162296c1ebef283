"""What one process remembers of its claims: writes without an answer, keys it holds."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    ClaimLostError,
    Config,
    Deduplicator,
    InProgressError,
    MemoryStore,
    StoreError,
)
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from cxone_idem.record import State
from tests.support.events import batch_of, failed
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Claimed
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record
    from tests.support.clocks import MovableClock

DAY_SECONDS = 86_400


def claimed(deduplicator: Deduplicator, key: str = "k") -> Claimed:
    """Claim a key that must be free."""
    outcome = deduplicator.claim(key)
    assert outcome
    return outcome


@pytest.mark.parametrize(
    ("fails", "first", "then"),
    [
        (State.IN_PROGRESS, "extend", "complete"),
        (State.IN_PROGRESS, "extend", "release"),
        (State.IN_PROGRESS, "extend", "extend"),
        (State.DONE, "complete", "complete"),
        (State.RELEASED, "release", "release"),
    ],
)
@pytest.mark.parametrize("executes", [False, True], ids=["not-executed", "executed"])
def test_a_claim_goes_on_from_a_write_whose_answer_never_came(
    fails: State,
    first: str,
    then: str,
    executes: bool,  # noqa: FBT001
) -> None:
    """Whether it landed or not, the next write by the same claim is not taken for a stranger's."""
    store = FailingStore(MemoryStore())
    claim = claimed(Deduplicator(store))
    store.fails, store.executes = fails, executes
    with pytest.raises(StoreError):
        getattr(claim, first)()
    store.fails = None
    getattr(claim, then)()
    expected = {"complete": State.DONE, "release": State.RELEASED, "extend": State.IN_PROGRESS}
    assert claim.record.state is expected[then]


def test_a_completion_that_landed_unanswered_is_not_released() -> None:
    """Once done is done: releasing afterwards is refused, and the key stays done."""
    store = FailingStore(MemoryStore())
    claim = claimed(Deduplicator(store))
    store.fails, store.executes = State.DONE, True
    with pytest.raises(StoreError):
        claim.complete()
    store.fails = None
    with pytest.raises(ClaimLostError, match="DONE already"):
        claim.release()
    assert not Deduplicator(store).claim("k")


def test_a_lost_claim_is_held_no_more(clock: MovableClock) -> None:
    """After the loss the plain key means nothing in this process."""
    store = MemoryStore()
    holder = Deduplicator(store, now=clock)
    holder.claim("k")
    clock.advance(DAY_SECONDS)
    assert Deduplicator(store, now=clock).claim("k")
    with pytest.raises(ClaimLostError, match="generation 2"):
        holder.complete("k")
    with pytest.raises(ClaimLostError, match="this process holds none"):
        holder.complete("k")


def test_losing_an_old_claim_keeps_the_newer_one_of_the_same_process(clock: MovableClock) -> None:
    """Two threads of one process: the late one's loss does not touch the newer one's claim."""
    deduplicator = Deduplicator(MemoryStore(), now=clock)
    late = claimed(deduplicator)
    clock.advance(DAY_SECONDS)
    claimed(deduplicator)
    with pytest.raises(ClaimLostError):
        late.complete()
    deduplicator.complete("k")


def test_abandoned_claims_are_forgotten_with_their_records(clock: MovableClock) -> None:
    """A consumer that never settles what it claims does not grow without bound."""
    config = Config(lease_seconds=60, retention_seconds=60)
    deduplicator = Deduplicator(MemoryStore(), config, now=clock)
    for number in range(100):
        deduplicator.claim(f"key-{number}")
        deduplicator.claim("the same") if number == 0 else None
        clock.advance(10)
    with pytest.raises(ClaimLostError, match="this process holds none"):
        deduplicator.complete("key-0")
    with pytest.raises(ClaimLostError, match="this process holds none"):
        deduplicator.complete("key-80")
    deduplicator.complete("key-99")


def test_a_key_claimed_anew_is_not_forgotten_with_its_old_record(clock: MovableClock) -> None:
    """Age counts from the claim that is held, not from the first one on the key."""
    config = Config(lease_seconds=60, retention_seconds=60)
    deduplicator = Deduplicator(MemoryStore(), config, now=clock)
    for key, seconds in (("k", 100), ("other", 50), ("k", 80), ("third", 0)):
        deduplicator.claim(key)
        clock.advance(seconds)
    with pytest.raises(ClaimLostError, match="this process holds none"):
        deduplicator.complete("other")
    deduplicator.complete("k")


def test_work_in_progress_never_expires_before_its_lease(clock: MovableClock) -> None:
    """TTL must not delete a record whose owner is at work, however short the retention."""
    config = Config(lease_seconds=7 * DAY_SECONDS, retention_seconds=60)
    claim = claimed(Deduplicator(MemoryStore(), config, now=clock))
    assert claim.record.expires_at is not None
    assert claim.record.expires_at * 1000 > claim.record.lease_until_ms


class Interrupting:
    """A store that calls back in the middle of the second write, before it is executed."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._inner = MemoryStore()
        self._callback = callback
        self._writes = 0

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        self._writes += 1
        if self._writes == 2:
            self._callback()
        return self._inner.put_if(record, expected_version)


def test_a_completion_waits_for_the_heartbeat_under_way() -> None:
    """Writes of one claim are in a row; side by side, one would refuse the other."""
    threads: list[Thread] = []

    def complete_meanwhile() -> None:
        thread = Thread(target=claim.complete)
        threads.append(thread)
        thread.start()
        thread.join(timeout=0.2)

    store = Interrupting(complete_meanwhile)
    deduplicator = Deduplicator(store)
    claim = claimed(deduplicator)
    claim.extend()
    threads[0].join()
    assert not Deduplicator(store).claim("k")


def test_a_key_claimed_twice_in_one_process_blames_no_other_worker() -> None:
    """Inside its own batch, by two claims in a row: no other worker is blamed."""
    deduplicator = Deduplicator(MemoryStore())
    texts: list[str] = []

    def claim_again(_: Any) -> None:
        with pytest.raises(InProgressError) as caught:
            deduplicator.claim("k")
        assert caught.value.held_here
        texts.append(str(caught.value))

    assert failed(deduplicator.process_batch(batch_of("k"), claim_again)) == []
    claimed(deduplicator, "l").extend()
    with pytest.raises(InProgressError) as caught:
        deduplicator.claim("l")
    texts.append(str(caught.value))
    for text in texts:
        assert "this same process" in text
        assert "another worker" not in text


def test_a_key_claimed_twice_by_asyncio_blames_no_other_worker() -> None:
    """On the loop of one process."""
    deduplicator = AsyncDeduplicator(Deduplicator(MemoryStore()))

    async def twice() -> None:
        assert await deduplicator.claim("k")
        with pytest.raises(InProgressError, match="this same process"):
            await deduplicator.claim("k")

    asyncio.run(twice())


def test_what_another_process_holds_is_another_workers(clock: MovableClock) -> None:
    """Also after this one held it, and lost it without a word."""
    store = MemoryStore()
    mine = Deduplicator(store, now=clock)
    mine.claim("k")
    clock.advance(DAY_SECONDS)
    claimed(Deduplicator(store, now=clock))
    with pytest.raises(InProgressError, match="another worker") as caught:
        mine.claim("k")
    assert not caught.value.held_here
