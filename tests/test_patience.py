"""Waiting for a worker elsewhere: how long, how often, and who else is held up by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import AlreadyDone, Claimed, Config, Deduplicator, InProgressError
from cxone_idem.fate import Fate
from cxone_idem.invocation import Invocation
from cxone_idem.patience import Patience
from cxone_idem.record import State
from tests.clocks import MovableClock, TellsTime
from tests.engines import MemoryTable
from tests.sqs_events import Context, batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.outcome import Outcome
    from cxone_idem.record import Record
    from cxone_idem.sqs_batch import Observer
    from cxone_idem.store import Answer

WAITS = Config(lease_seconds=60, wait_seconds=30)


class CountingTable(MemoryTable):
    """A store in memory that counts the writes that claim."""

    claims = 0

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
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
            now=clock,
            sleep=self._sleep,
            share=lambda: share,
        )
        self._clock = clock

    def _sleep(self, seconds: float) -> None:
        self.pauses_seconds.append(seconds)
        self._clock.advance(seconds)
        self.meanwhile(len(self.pauses_seconds))

    def _observers(self, _: Invocation) -> Sequence[Observer]:
        return (self._keep,)

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = outcomes


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
    patience = Patience(Config(wait_seconds=20), Invocation(None), lambda: 1)
    pauses = list(iter(lambda: patience.next_pause_seconds(300), 0))
    assert pauses[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert max(pauses) == 5.0
    assert sum(pauses) == pytest.approx(20)
    assert patience.over


def test_pauses_are_jittered() -> None:
    """Chance takes up to a half off, so that workers do not ask in step."""
    pauses = [
        Patience(WAITS, Invocation(None), lambda: share).next_pause_seconds(300)  # noqa: B023
        for share in (0.0, 0.5, 1.0)
    ]
    assert pauses == [0.05, pytest.approx(0.075), 0.1]


def test_no_pause_goes_past_the_end_of_the_lease() -> None:
    """Then the key is free at the latest."""
    patience = Patience(WAITS, Invocation(None), lambda: 1)
    for _ in range(6):
        patience.next_pause_seconds(300)
    assert patience.next_pause_seconds(2.5) == 2.5
    assert patience.next_pause_seconds(-1) == 0.1


def test_no_pause_takes_the_time_to_start_the_work() -> None:
    """A wait ends before the invocation has too little left for another message."""
    context = Context(5_000)
    config = Config(wait_seconds=30, min_remaining_seconds=2)
    patience = Patience(config, Invocation(context), lambda: 1)
    while pause_seconds := patience.next_pause_seconds(300):
        context.remaining_ms -= int(pause_seconds * 1000)
    assert context.remaining_ms > 2_000
    assert patience.over


def test_without_the_setting_nobody_waits(store: MemoryTable, elsewhere: Deduplicator) -> None:
    """By default a key in progress elsewhere is told at once, with one write."""
    held(elsewhere, "k")
    with pytest.raises(InProgressError):
        Deduplicator(store, sleep=_never).claim("k")
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


def test_a_batch_waits_last(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """What can be done is done first; then all that wait are asked for together, and run."""
    claims = [held(elsewhere, key) for key in ("a", "c", "d")]
    ran: list[str] = []
    waiter = Waiter(store, clock)

    def meanwhile(pauses: int) -> None:
        if pauses == 1:
            assert ran == ["b", "e"]
        if pauses == 2:
            claims[0].complete()
            claims[1].release()
        if pauses == 3:
            claims[2].release()

    waiter.meanwhile = meanwhile
    response = waiter.process_batch(batch_of("a", "b", "c", "d", "e"), keys_into(ran))
    assert failed(response) == []
    assert ran == ["b", "e", "c", "d"]
    assert not any(outcome.error for outcome in waiter.outcomes)
    assert waiter.pauses_seconds == [0.1, 0.2, 0.4]


def test_a_big_batch_waits_at_its_very_end(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """Later chunks are not held up by what waits in the first; nothing of the wait is left over."""
    keys = [f"key-{number}" for number in range(60)]
    claim = held(elsewhere, keys[0])
    ran: list[str] = []
    waiter = Waiter(store, clock)
    waiter.meanwhile = lambda _: claim.release()
    assert failed(waiter.process_batch(batch_of(*keys), keys_into(ran))) == []
    assert ran == [*keys[1:], keys[0]]
    assert waiter.outcomes[0].fate is Fate.COMPLETED
    assert waiter.outcomes[0].error is None


def test_a_batch_waits_once_for_all(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """Ten keys held elsewhere do not make ten waits; what is still held fails."""
    keys = [f"key-{number}" for number in range(10)]
    for key in keys:
        held(elsewhere, key)
    waiter = Waiter(store, clock)
    assert len(failed(waiter.process_batch(batch_of(*keys), keys_into([])))) == 10
    assert sum(waiter.pauses_seconds) == pytest.approx(30)


@pytest.mark.parametrize("max_workers", [1, 4])
@pytest.mark.parametrize("freed", [True, False], ids=["freed", "never freed"])
def test_a_group_waits_behind_its_first(
    store: CountingTable,
    clock: MovableClock,
    elsewhere: Deduplicator,
    max_workers: int,
    freed: bool,  # noqa: FBT001
) -> None:
    """FIFO order forbids going on within the group; other groups are not held up."""
    claim = held(elsewhere, "a1")
    event = batch(
        record("1", envelope("a1"), group="a", fifo=True),
        record("2", envelope("b1"), group="b", fifo=True),
        record("3", "not json", group="c", fifo=True),
        record("4", envelope("a2"), group="a", fifo=True),
        record("5", envelope("b2"), group="b", fifo=True),
        record("6", "not json", group="a", fifo=True),
    )
    ran: list[str] = []
    waiter = Waiter(store, clock)

    looks: list[int] = []

    def meanwhile(pauses: int) -> None:
        assert ran == ["b1", "b2"]
        looks.append(store.claims)
        if pauses == 4 and freed:
            claim.release()

    waiter.meanwhile = meanwhile
    response = waiter.process_batch(event, keys_into(ran), max_workers=max_workers)
    assert failed(response) == (["3", "6"] if freed else ["1", "3", "4", "6"])
    assert ran == (["b1", "b2", "a1", "a2"] if freed else ["b1", "b2"])
    # What stands behind the held message is not claimed over and over: a look is one write.
    assert looks[:4] == [looks[0] + number for number in range(4)]
    assert freed or held(Deduplicator(store, now=clock), "a2").generation == 1


def test_a_batch_on_lambda_leaves_time_to_start(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """The wait ends before the invocation's last second, and the message is told in progress."""
    held(elsewhere, "k")
    context = Context(4_000)
    waiter = Waiter(store, clock)

    def meanwhile(_: int) -> None:
        context.remaining_ms = 4_000 - int(sum(waiter.pauses_seconds) * 1000)

    waiter.meanwhile = meanwhile
    event = batch(*(record(key, envelope(key), group="a", fifo=True) for key in ("k", "l")))
    assert failed(waiter.process_batch(event, keys_into([]), context=context)) == ["k", "l"]
    assert 1_000 < context.remaining_ms < 4_000
    assert [outcome.fate for outcome in waiter.outcomes] == [Fate.IN_PROGRESS, Fate.GROUP_BLOCKED]


def test_an_interrupted_wait_gives_back_what_was_claimed_ahead(
    store: MemoryTable, clock: MovableClock, elsewhere: Deduplicator
) -> None:
    """Stopping the process while it waits leaves no lease behind."""
    held(elsewhere, "a1")
    event = batch(*(record(key, envelope(key), group="a", fifo=True) for key in ("a1", "a2", "a3")))
    waiter = Waiter(store, clock)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    waiter.meanwhile = stop
    with pytest.raises(KeyboardInterrupt):
        waiter.process_batch(event, keys_into([]))
    assert held(elsewhere, "a2").generation == 1
