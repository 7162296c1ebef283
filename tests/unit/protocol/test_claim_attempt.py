"""The cap on attempts: what counts as one, and what becomes of a key that has used them up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    AlreadyDone,
    AttemptsExhaustedError,
    Config,
    Deduplicator,
    MemoryStore,
    StoreError,
)
from cxone_idem.record import State
from cxone_idem.sqs.outcome import MessageStatus
from tests.support.clocks import MovableClock, TellsTime
from tests.support.documents import code_blocks
from tests.support.engines import MemoryTable
from tests.support.events import batch, batch_of, envelope, failed, record
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record
    from cxone_idem.sqs.outcome import Outcome

TWICE = Config(lease_seconds=60, retention_seconds=3600, max_attempts=2)
PAST_THE_LEASE_SECONDS = 60 + 3 + 1


def fails(_: Any) -> None:
    """Fail as a poison message does."""
    raise RuntimeError


@pytest.fixture
def store() -> MemoryTable:
    """Return a store in memory that counts requests."""
    return MemoryTable()


def test_a_poison_message_is_failed_without_running(
    store: MemoryTable, caplog: pytest.LogCaptureFixture
) -> None:
    """After the last attempt its message fails unrun until its queue gives it up; others go on."""
    ran: list[Any] = []

    def handler(event: Any) -> None:
        ran.append(event["detail"]["IdempotencyKey"])
        if ran[-1] == "poison":
            raise RuntimeError

    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(store, TWICE, on_outcome=outcomes.append)
    for number in range(4):
        event = batch_of("poison", f"key-{number}")
        assert failed(deduplicator.process_batch(event, handler)) == ["m0"]
    assert ran.count("poison") == 2
    assert len(ran) == 6
    assert [outcome.status for outcome in outcomes[-2:]] == [
        MessageStatus.ATTEMPTS_EXHAUSTED,
        MessageStatus.COMPLETED,
    ]
    assert isinstance(outcomes[-2].error, AttemptsExhaustedError)
    assert outcomes[-2].record is not None
    told = [entry for entry in caplog.records if "is not run" in entry.getMessage()]
    assert [entry.levelno for entry in told] == [logging.ERROR] * 2


def test_a_message_that_was_claimed_ahead_and_not_run_was_not_tried(store: MemoryTable) -> None:
    """Behind a poison message of its FIFO group it may wait for any number of deliveries."""
    event = batch(
        record("1", envelope("poison"), group="a", fifo=True),
        record("2", envelope("good"), group="a", fifo=True),
    )
    for _ in range(5):
        assert failed(Deduplicator(store, TWICE).process_batch(event, fails)) == ["1", "2"]
    claim = Deduplicator(store, TWICE).claim("good")
    assert claim
    assert claim.generation == 1


def test_an_attempt_that_raised_counts(store: MemoryTable) -> None:
    """What the handler began is an attempt, also if it was interrupted."""

    def interrupted(_: Any) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        Deduplicator(store, TWICE).process_batch(batch_of("k"), interrupted)
    claim = Deduplicator(store, TWICE).claim("k")
    assert claim
    assert claim.generation == 2


class Unanswering:
    """A store that carries out every write, and answers none while it is `deaf`."""

    def __init__(self, clock: MovableClock) -> None:
        self._store = TellsTime(MemoryStore(), clock)
        self.deaf = False

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if self.deaf and record.state is State.RELEASED:
            problem = "out of reach"
            raise StoreError(problem, "t", "PutItem")
        answer = self._store.put_if(record, expected_version)
        if self.deaf:
            problem = "no answer"
            raise StoreError(problem, "t", "PutItem", outcome_unknown=True)
        return answer


@pytest.mark.parametrize("seconds", [0, PAST_THE_LEASE_SECONDS], ids=["in-its-lease", "lapsed"])
@pytest.mark.parametrize("deliveries", [1, 3])
def test_a_claim_that_nobody_answered_was_no_attempt(
    clock: MovableClock, seconds: float, deliveries: int
) -> None:
    """It is stored, and could not be given back; the handler never began, as this process knows."""
    store = Unanswering(clock)
    config = Config(lease_seconds=60, max_attempts=1)
    deduplicator = Deduplicator(store, config, now=clock)
    ran: list[Any] = []
    store.deaf = True
    for _ in range(deliveries):
        assert failed(deduplicator.process_batch(batch_of("k"), ran.append)) == ["m0"]
    store.deaf = False
    clock.advance(seconds)
    assert failed(deduplicator.process_batch(batch_of("k"), ran.append)) == []
    assert len(ran) == 1
    done = deduplicator.claim("k")
    assert isinstance(done, AlreadyDone)
    assert done.record.generation == 1


def test_a_lease_that_nobody_answered_for_was_no_attempt(clock: MovableClock) -> None:
    """The claim was answered, its lease was too short, and the longer one was never heard of."""
    store = Unanswering(clock)

    class Slow:
        """A store that seems to be 10 s ahead, so that a lease is stamped again; then deaf."""

        def put_if(self, record: Record, expected_version: str | None) -> PutResult:
            answer = store.put_if(record, expected_version)
            store.deaf = store.deaf or slow
            ahead = int(clock()) + 10 if slow else int(clock())
            return answer._replace(date_seconds=ahead)

    slow = True
    deduplicator = Deduplicator(Slow(), Config(max_attempts=1), now=clock)
    with pytest.raises(StoreError):
        deduplicator.claim("k")
    slow = store.deaf = False
    claim = deduplicator.claim("k")
    assert claim
    assert claim.generation == 1


def test_what_was_not_run_and_not_given_back_was_no_attempt(clock: MovableClock) -> None:
    """Claimed ahead behind a poison message of its group, while the store takes no release."""
    store = FailingStore(TellsTime(MemoryStore(), clock))
    deduplicator = Deduplicator(store, Config(lease_seconds=60, max_attempts=1), now=clock)
    event = batch(
        record("1", envelope("poison"), group="a", fifo=True),
        record("2", envelope("good"), group="a", fifo=True),
    )
    store.fails = State.RELEASED
    assert failed(deduplicator.process_batch(event, fails)) == ["1", "2"]
    store.fails = None
    claim = deduplicator.claim("good")
    assert claim
    assert claim.generation == 1
    clock.advance(PAST_THE_LEASE_SECONDS)
    with pytest.raises(AttemptsExhaustedError):
        deduplicator.claim("poison")


def test_what_another_process_may_have_begun_counts(clock: MovableClock) -> None:
    """Nobody can tell a claim whose process died from one that it never heard of."""
    store = Unanswering(clock)
    config = Config(lease_seconds=60, max_attempts=1)
    store.deaf = True
    with pytest.raises(StoreError):
        Deduplicator(store, config, now=clock).claim("k")
    store.deaf = False
    clock.advance(PAST_THE_LEASE_SECONDS)
    with pytest.raises(AttemptsExhaustedError):
        Deduplicator(store, config, now=clock).claim("k")


def test_readmes_cap_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """README's block is refused the third attempt."""
    (block,) = code_blocks("Waiting, and a cap on attempts")
    exec(block, {})  # noqa: S102 -- README's own code
    assert capsys.readouterr().out == "2 attempts of 2\n"
