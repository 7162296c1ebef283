"""A batch's way: claimed ahead, run in order or in threads, completed in groups."""

from __future__ import annotations

from itertools import chain
from threading import Barrier, Event, Lock
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    Config,
    ConfigError,
    Deduplicator,
    InProgressError,
    MemoryStore,
    MessageStatus,
    StoreError,
)
from cxone_idem.protocol.store import PutResult
from cxone_idem.record import State
from tests.support.clocks import MovableClock, TellsTime
from tests.support.events import Context, batch, batch_of, envelope, failed, record
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem import Outcome
    from cxone_idem.protocol.store import ConditionalPut
    from cxone_idem.record import Record

KEYS = [f"key-{number}" for number in range(10)]
PATIENCE_SECONDS = 10


class GroupStore:
    """A memory store that takes many writes in one request, and keeps what each request held."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.requests: list[list[State]] = []
        self.before_group: Callable[[Sequence[ConditionalPut]], None] = lambda _: None

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        self.requests.append([record.state])
        return self.memory.put_if(record, expected_version)

    def put_many(self, writes: Sequence[ConditionalPut], *_: object) -> list[PutResult]:
        if len(writes) == 1:
            return [self.put_if(*writes[0])]
        self.before_group(writes)
        self.requests.append([write.record.state for write in writes])
        return [self.memory.put_if(*write) for write in writes]


def test_a_batch_is_claimed_in_one_request_and_completed_in_few() -> None:
    """Ten messages: one request claims all; completions pile up behind the first."""
    store = GroupStore()
    first_is_here, go_on = Event(), Event()
    ran: list[str] = []

    def put_if(record: Record, expected_version: str | None) -> PutResult:
        store.requests.append([record.state])
        first_is_here.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return store.memory.put_if(record, expected_version)

    store.put_if = put_if  # type: ignore[method-assign]

    def handler(event: dict[str, Any]) -> None:
        ran.append(event["detail"]["IdempotencyKey"])
        if len(ran) == 2:
            assert first_is_here.wait(PATIENCE_SECONDS)
        if len(ran) == len(KEYS) - 1:
            go_on.set()

    assert failed(Deduplicator(store).process_batch(batch_of(*KEYS), handler)) == []
    assert ran == KEYS
    assert store.requests[0] == [State.IN_PROGRESS] * 10
    completions = store.requests[1:]
    assert list(chain(*completions)) == [State.DONE] * 10
    assert len(completions[0]) == 1
    assert len(completions) < 5


def test_no_answer_before_every_completion_is_settled() -> None:
    """When Lambda gets the response, every record is DONE."""
    store = GroupStore()
    Deduplicator(store).process_batch(batch_of(*KEYS), lambda _: None)
    for key in KEYS:
        assert not Deduplicator(store).claim(key)


def test_half_duplicates_cost_no_more_requests() -> None:
    """What is done already is known from the same request that claims the rest."""
    store = GroupStore()
    Deduplicator(store).process_batch(batch_of(*KEYS[:5]), lambda _: None)
    store.requests.clear()
    ran: list[Any] = []
    assert failed(Deduplicator(store).process_batch(batch_of(*KEYS), ran.append)) == []
    assert len(ran) == 5
    assert len(store.requests[0]) == 10
    assert list(chain(*store.requests[1:])) == [State.DONE] * 5


def test_a_key_seen_done_by_this_process_costs_no_request() -> None:
    """A small memory of done keys answers the duplicates that come to the same process."""
    store = GroupStore()
    deduplicator = Deduplicator(store)
    deduplicator.process_batch(batch_of(*KEYS), lambda _: None)
    store.requests.clear()
    assert failed(deduplicator.process_batch(batch_of(*KEYS), lambda _: None)) == []
    assert store.requests == []


def test_the_memory_of_done_keys_ends_with_the_retention(clock: MovableClock) -> None:
    """Past its retention a key is asked for again."""
    store = TellsTime(MemoryStore(), clock)
    deduplicator = Deduplicator(store, Config(retention_seconds=60), now=clock)
    claim = deduplicator.claim("k")
    assert claim
    claim.complete()
    clock.advance(50)
    assert not deduplicator.claim("k")
    clock.advance(20)
    assert deduplicator.claim("k")


def test_the_memory_of_done_keys_is_bounded() -> None:
    """The oldest keys are forgotten; the store still knows them."""
    store = GroupStore()
    deduplicator = Deduplicator(store)
    for number in range(1_200):
        deduplicator.process_batch(batch_of(f"key-{number}"), lambda _: None)
    store.requests.clear()
    assert not deduplicator.claim("key-1199")
    assert store.requests == []
    assert not deduplicator.claim("key-0")
    assert len(store.requests) == 1


def test_disabled_remembers_nothing() -> None:
    """With the switch thrown a completed key runs again."""
    deduplicator = Deduplicator(MemoryStore(), Config(disabled=True))
    for _ in range(2):
        claim = deduplicator.claim("k")
        assert claim
        claim.complete()


def test_what_was_claimed_ahead_and_not_run_is_given_back() -> None:
    """A FIFO group that stops leaves no lease behind, and neither does an interrupted batch."""
    store = MemoryStore()
    event = batch(
        *(record(str(n), envelope(key), group="a", fifo=True) for n, key in enumerate(KEYS))
    )

    def fails(_: Any) -> None:
        raise RuntimeError

    assert len(failed(Deduplicator(store).process_batch(event, fails))) == 10

    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Deduplicator(store).process_batch(batch_of(*KEYS), interrupted)
    assert failed(Deduplicator(store).process_batch(event, lambda _: None)) == []


def test_an_interrupted_batch_records_what_was_done_before() -> None:
    """Completions under way are settled before the interruption goes on."""
    store = MemoryStore()

    def interrupted(event: dict[str, Any]) -> None:
        if event["detail"]["IdempotencyKey"] == "key-3":
            raise SystemExit

    with pytest.raises(SystemExit):
        Deduplicator(store).process_batch(batch_of(*KEYS), interrupted)
    assert [bool(Deduplicator(store).claim(key)) for key in KEYS] == [False] * 3 + [True] * 7


def test_a_claim_made_ahead_is_fresh_when_its_work_starts(clock: MovableClock) -> None:
    """Off Lambda a slow first message does not eat into the second one's lease."""
    told = TellsTime(MemoryStore(), clock)
    config = Config(lease_seconds=60)

    def slow(event: dict[str, Any]) -> None:
        clock.advance(50)
        if event["detail"]["IdempotencyKey"] == "b":
            with pytest.raises(InProgressError):
                Deduplicator(told, config, now=clock).claim("b")

    assert (
        failed(Deduplicator(told, config, now=clock).process_batch(batch_of("a", "b"), slow)) == []
    )


def test_a_claim_made_ahead_and_lost_meanwhile_is_not_run(clock: MovableClock) -> None:
    """Whoever took it over while an earlier message ran too long has it."""
    told = TellsTime(MemoryStore(), clock)
    config = Config(lease_seconds=60)
    other = Deduplicator(told, config, now=clock)
    ran: list[str] = []

    def too_slow(event: dict[str, Any]) -> None:
        ran.append(event["detail"]["IdempotencyKey"])
        clock.advance(100)
        assert other.claim("b")

    deduplicator = Deduplicator(told, config, now=clock)
    assert failed(deduplicator.process_batch(batch_of("a", "b"), too_slow)) == ["m1"]
    assert ran == ["a"]
    other.complete("b")


def test_on_lambda_no_claim_needs_to_be_made_fresh(clock: MovableClock) -> None:
    """There every lease ends with the invocation, whenever it was made."""
    store = GroupStore()
    context = Context(100_000)

    def slow(_: Any) -> None:
        clock.advance(30)
        context.remaining_ms -= 30_000

    deduplicator = Deduplicator(store, now=clock)
    deduplicator.process_batch(batch_of("a", "b", "c"), slow, context=context)
    assert list(chain(*store.requests)).count(State.IN_PROGRESS) == 3


def test_an_ambiguous_claim_of_a_batch_is_given_back() -> None:
    """Every claim that may have landed is released, so that no lease must be waited out."""
    store = FailingStore(MemoryStore())
    store.fails, store.executes = State.IN_PROGRESS, True
    assert failed(Deduplicator(store).process_batch(batch_of(*KEYS), print)) == [
        f"m{number}" for number in range(10)
    ]
    store.fails = None
    assert failed(Deduplicator(store).process_batch(batch_of(*KEYS), lambda _: None)) == []


def test_a_big_batch_works_in_chunks() -> None:
    """Two hundred messages: never more than 25 claims in a request, all done, all in order."""
    keys = [f"key-{number}" for number in range(200)]
    store = GroupStore()
    ran: list[str] = []
    deduplicator = Deduplicator(store)
    response = deduplicator.process_batch(
        batch_of(*keys), lambda event: ran.append(event["detail"]["IdempotencyKey"])
    )
    assert failed(response) == []
    assert ran == keys
    claims = [states for states in store.requests if State.IN_PROGRESS in states]
    assert [len(states) for states in claims] == [25] * 8


def test_the_next_chunk_is_claimed_while_this_one_is_worked_on() -> None:
    """No handler waits for a request that could be made while another handler runs."""
    store = GroupStore()
    next_is_claimed = Event()
    store.before_group = lambda writes: (
        next_is_claimed.set() if writes[0].record.partition_key == "key-25" else None
    )
    waited: list[bool] = []

    def handler(_: Any) -> None:
        if not waited:
            waited.append(next_is_claimed.wait(PATIENCE_SECONDS))

    keys = [f"key-{number}" for number in range(40)]
    assert failed(Deduplicator(store).process_batch(batch_of(*keys), handler)) == []
    assert waited == [True]


def test_a_key_of_two_chunks_is_claimed_once() -> None:
    """The later message is a duplicate of the same batch, and no claim is made ahead for it."""
    store = GroupStore()
    claimed: list[str] = []
    store.before_group = lambda writes: claimed.extend(
        write.record.partition_key for write in writes if write.record.state is State.IN_PROGRESS
    )
    outcomes: list[Outcome] = []
    keys = [*(f"key-{number}" for number in range(25)), "key-0", "other", "another"]
    deduplicator = Deduplicator(store, on_outcome=outcomes.append)
    assert failed(deduplicator.process_batch(batch_of(*keys), lambda _: None)) == []
    assert claimed.count("key-0") == 1
    assert outcomes[25].status is MessageStatus.SAME_BATCH


@pytest.mark.parametrize("max_workers", [1, 2])
def test_an_interrupted_chunk_releases_the_claims_of_the_next(max_workers: int) -> None:
    """No lease of a message that was never started is left behind."""
    store = GroupStore()

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    keys = [f"key-{number}" for number in range(60)]
    with pytest.raises(KeyboardInterrupt):
        Deduplicator(store).process_batch(batch_of(*keys), stop, max_workers=max_workers)
    elsewhere = Deduplicator(store)
    assert all(elsewhere.claim(key) for key in keys)


def test_workers_run_side_by_side() -> None:
    """With four workers four handlers are at work at once."""
    together = Barrier(4, timeout=PATIENCE_SECONDS)
    deduplicator = Deduplicator(GroupStore())
    response = deduplicator.process_batch(
        batch_of(*KEYS[:8]), lambda _: together.wait(), max_workers=4
    )
    assert failed(response) == []


def test_one_worker_is_the_default_and_the_callers_thread() -> None:
    """A handler is run in several threads only where somebody said so."""
    with pytest.raises(ConfigError, match="CXONE_IDEM_MAX_WORKERS"):
        Deduplicator(MemoryStore()).process_batch(batch_of("k"), print, max_workers=0)
    assert Config().max_workers == 1
    together = Barrier(2, timeout=PATIENCE_SECONDS)
    deduplicator = Deduplicator(MemoryStore(), Config(max_workers=2))
    assert failed(deduplicator.process_batch(batch_of("a", "b"), lambda _: together.wait())) == []


def test_workers_keep_each_groups_order() -> None:
    """Groups run side by side, each one's messages in a row; a failure stops its own group."""
    ran: dict[str, list[str]] = {"a": [], "b": []}
    both = Barrier(2, timeout=PATIENCE_SECONDS)

    def handler(event: dict[str, Any]) -> None:
        key = event["detail"]["IdempotencyKey"]
        ran[key[0]].append(key)
        if key.endswith("0"):
            both.wait()
        if key == "a2":
            raise RuntimeError

    event = batch(
        *(
            record(f"{group}{number}", envelope(f"{group}{number}"), group=group, fifo=True)
            for number in range(5)
            for group in "ab"
        )
    )
    response = Deduplicator(GroupStore()).process_batch(event, handler, max_workers=4)
    assert failed(response) == ["a2", "a3", "a4"]
    assert ran == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2", "b3", "b4"]}


def test_workers_never_run_one_key_side_by_side() -> None:
    """Messages of one key are in one lane: the first runs, the others are known as done."""
    ran: list[str] = []
    lock = Lock()

    def handler(event: dict[str, Any]) -> None:
        with lock:
            ran.append(event["detail"]["IdempotencyKey"])

    event = batch_of(*(KEYS[:3] * 5))
    assert failed(Deduplicator(GroupStore()).process_batch(event, handler, max_workers=8)) == []
    assert sorted(ran) == KEYS[:3]


def test_an_interrupted_worker_stops_the_others_from_starting() -> None:
    """Nothing new is started, what was claimed is given back, and the interruption goes on."""
    store = MemoryStore()

    def interrupted(_: Any) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        Deduplicator(store).process_batch(batch_of(*KEYS), interrupted, max_workers=2)
    assert all(Deduplicator(store).claim(key) for key in KEYS)


class UnexpectedStore(GroupStore):
    """Raises what no store should, for every completion, until a test says otherwise."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error: type[BaseException] | None = error

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        self._check(record)
        return super().put_if(record, expected_version)

    def put_many(self, writes: Sequence[ConditionalPut], *_: object) -> list[PutResult]:
        for write in writes:
            self._check(write.record)
        return super().put_many(writes)

    def _check(self, record: Record) -> None:
        if self.error is not None and record.state is State.DONE:
            raise self.error


@pytest.mark.parametrize("keys", [["a"], ["a", "b", "c"]], ids=["here", "in-the-thread"])
@pytest.mark.parametrize("max_workers", [1, 3])
def test_whatever_a_completion_raises_what_is_done_is_not_done_again(
    keys: list[str], max_workers: int
) -> None:
    """Acknowledged, logged, remembered, recorded next time: as with one out of reach."""
    store = UnexpectedStore(ZeroDivisionError)
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(store, on_outcome=outcomes.append)
    ran: list[Any] = []
    response = deduplicator.process_batch(batch_of(*keys), ran.append, max_workers=max_workers)
    assert failed(response) == []
    assert {outcome.status for outcome in outcomes} == {MessageStatus.UNRECORDED}
    assert isinstance(outcomes[0].error, StoreError)
    assert isinstance(outcomes[0].error.__cause__, ZeroDivisionError)
    store.error = None
    assert failed(deduplicator.process_batch(batch_of(*keys), ran.append)) == []
    assert len(ran) == len(keys)
    assert not any(Deduplicator(store).claim(key) for key in keys)


def test_what_ends_the_committing_thread_ends_nothing_else() -> None:
    """`SystemExit` in a thread is silent: here it is a completion that was not recorded."""
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(UnexpectedStore(SystemExit), on_outcome=outcomes.append)
    # The last message fails, so that every completion is the thread's.
    records = [*batch_of("a", "b")["Records"], record("bad", "no json")]
    assert failed(deduplicator.process_batch(batch(*records), lambda _: None)) == ["bad"]
    assert [outcome.status for outcome in outcomes[:2]] == [MessageStatus.UNRECORDED] * 2


@pytest.mark.parametrize("odd", [[], [PutResult(written=True)], [None, None]], ids=str)
def test_a_store_that_answers_oddly_fails_its_messages(odd: list[Any]) -> None:
    """Too few answers, or none that can be read: nothing runs unclaimed, and nothing gets out."""

    class OddStore(GroupStore):
        def put_many(self, *_: object) -> list[Any]:
            return odd

    ran: list[Any] = []
    response = Deduplicator(OddStore()).process_batch(batch_of("a", "b"), ran.append)
    assert (failed(response), ran) == (["m0", "m1"], [])
