"""The effect and its record in one transaction: what a claim and the adapter make of its end."""

from __future__ import annotations

import logging
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    AlreadyDone,
    Claimed,
    ClaimLostError,
    Config,
    Deduplicator,
    IdemError,
    MemoryStore,
    MessageStatus,
    Outcome,
    current_claim,
)
from cxone_idem.record import State
from tests.support.clocks import MovableClock, TellsTime
from tests.support.events import batch_of, failed
from tests.support.transacting_store import TransactingStore

if TYPE_CHECKING:
    from collections.abc import Callable


CONFIG = Config(lease_seconds=60, retention_seconds=3600)
PAST_THE_LEASE_SECONDS = 60 + 3 + 1
PATIENCE_SECONDS = 10


@pytest.fixture
def store() -> TransactingStore:
    """Return a store with transactions."""
    return TransactingStore()


def claimed(store: Any, key: str = "k", **more: Any) -> Claimed:
    """Claim a key that must be free, as a worker of its own."""
    outcome = Deduplicator(store, CONFIG, **more).claim(key)
    assert isinstance(outcome, Claimed)
    return outcome


def test_committed_is_done_and_completing_confirms_it(store: TransactingStore) -> None:
    """The transaction made the record DONE; `complete` finds its own write there."""
    claim = claimed(store)
    write = claim.transaction_item()
    assert write.record.state is State.DONE
    assert store.put_if(*write).written
    assert not Deduplicator(store).claim("k")
    claim.complete()
    claim.complete()
    assert claim.record == write.record


@pytest.mark.parametrize("verb", ["complete", "release", "extend"])
def test_cancelled_leaves_the_claim_as_it_was(store: TransactingStore, verb: str) -> None:
    """A transaction that did not commit changes nothing for the claim's other verbs."""
    claim = claimed(store)
    claim.transaction_item()
    getattr(claim, verb)()
    expected = {"complete": State.DONE, "release": State.RELEASED, "extend": State.IN_PROGRESS}
    assert claim.record.state is expected[verb]


def test_a_released_claim_finds_its_transaction_committed(store: TransactingStore) -> None:
    """The answer was lost, so the worker gives up; its error says that the key is done."""
    claim = claimed(store)
    store.put_if(*claim.transaction_item())
    with pytest.raises(ClaimLostError, match="DONE already"):
        claim.release()
    assert claim.record.state is State.DONE
    assert not Deduplicator(store).claim("k")


@pytest.mark.parametrize("verb", ["release", "complete", "extend"])
def test_a_transaction_that_comes_late_is_refused(store: TransactingStore, verb: str) -> None:
    """Still on its way when the claim moves on, it commits neither record nor effect."""
    claim = claimed(store)
    late = claim.transaction_item()
    getattr(claim, verb)()
    assert not store.put_if(*late).written


def test_of_two_transactions_of_one_claim_one_commits(store: TransactingStore) -> None:
    """A worker that tries again with a new transaction cannot make the effect twice."""
    claim = claimed(store)
    first, second = claim.transaction_item(), claim.transaction_item()
    assert store.put_if(*second).written
    assert not store.put_if(*first).written
    claim.complete()
    assert claim.record == second.record


def test_a_lost_claims_transaction_is_refused(store: TransactingStore, clock: MovableClock) -> None:
    """A worker that paused past its lease makes no effect, and learns that it is late."""
    told = TellsTime(store, clock)
    claim = claimed(told, now=clock)
    late = claim.transaction_item()
    clock.advance(PAST_THE_LEASE_SECONDS)
    newer = claimed(told, now=clock)
    assert newer.generation == 2
    assert not store.put_if(*late).written
    with pytest.raises(ClaimLostError, match="generation 2"):
        claim.complete()
    assert store.put_if(*newer.transaction_item()).written


def test_a_settled_claim_has_no_transaction(store: TransactingStore) -> None:
    """What is done or released cannot be done once more."""
    claim = claimed(store)
    claim.complete()
    with pytest.raises(ClaimLostError, match="DONE already"):
        claim.transaction_item()


def test_a_transaction_can_carry_the_result(store: TransactingStore) -> None:
    """The duplicate gets what the transaction stored, also if completing repeats it."""
    claim = claimed(store)
    store.put_if(*claim.transaction_item(result={"balance": 7}))
    claim.complete(result={"balance": 7})
    done = Deduplicator(store).claim("k")
    assert isinstance(done, AlreadyDone)
    assert done.result == {"balance": 7}


@pytest.mark.parametrize("make", [MemoryStore, lambda: None], ids=["memory", "disabled"])
def test_a_store_without_transactions_says_so(make: Callable[[], Any]) -> None:
    """Nothing is handed out that could not be committed."""
    store = make()
    deduplicator = Deduplicator(store or MemoryStore(), Config(disabled=store is None))
    claim = deduplicator.claim("k")
    assert claim
    with pytest.raises(IdemError, match="has no transactions; retrying does not help"):
        claim.transaction_item()
    claim.complete()


class LostAnswerError(Exception):
    """What a client raises that never got an answer."""


@pytest.mark.parametrize("max_workers", [1, 2])
def test_a_handler_that_raised_after_its_commit_is_done(
    store: TransactingStore, caplog: pytest.LogCaptureFixture, max_workers: int
) -> None:
    """The adapter finds the transaction committed: the message is deleted, and nothing warned."""
    caplog.set_level(logging.INFO)
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(store, on_outcome=outcomes.append)
    ran: list[str] = []

    def handler(event: dict[str, Any]) -> None:
        ran.append(event["detail"]["IdempotencyKey"])
        claim = current_claim()
        assert claim
        store.put_if(*claim.transaction_item())
        raise LostAnswerError

    event = batch_of("a", "b", "a")
    assert failed(deduplicator.process_batch(event, handler, max_workers=max_workers)) == []
    assert sorted(ran) == ["a", "b"]
    assert "was not released" not in caplog.text
    fates = [MessageStatus.COMPLETED, MessageStatus.COMPLETED, MessageStatus.SAME_BATCH]
    assert [outcome.status for outcome in outcomes] == fates
    assert not [outcome.error for outcome in outcomes if outcome.error]
    store.fails = State.IN_PROGRESS  # this process knows the keys as done, and need not ask
    assert failed(deduplicator.process_batch(event, handler)) == []
    assert len(ran) == 2


def test_a_handler_that_raised_without_a_commit_comes_back(store: TransactingStore) -> None:
    """A cancelled transaction is a failed message, free to be claimed at once."""
    commit = False

    def handler(_: dict[str, Any]) -> None:
        claim = current_claim()
        assert claim
        write = claim.transaction_item()
        if not commit:
            raise LostAnswerError
        assert store.put_if(*write).written

    assert failed(Deduplicator(store).process_batch(batch_of("k"), handler)) == ["m0"]
    commit = True
    assert failed(Deduplicator(store).process_batch(batch_of("k"), handler)) == []
    assert not Deduplicator(store).claim("k")


def test_a_handler_whose_release_fails_too_comes_back(store: TransactingStore) -> None:
    """Nothing is known, so nothing is dropped: the redelivery finds out."""

    def handler(_: dict[str, Any]) -> None:
        claim = current_claim()
        assert claim
        store.put_if(*claim.transaction_item())
        store.fails = State.RELEASED
        raise LostAnswerError

    assert failed(Deduplicator(store).process_batch(batch_of("k"), handler)) == ["m0"]
    store.fails = None
    assert failed(Deduplicator(store).process_batch(batch_of("k"), handler)) == []


def test_the_current_claim_is_the_running_handlers(store: TransactingStore) -> None:
    """In every thread of a batch a handler sees the claim on its own key, and its generation."""
    seen: dict[str, tuple[str, int]] = {}
    all_at_work = Barrier(4)

    def handler(event: dict[str, Any]) -> None:
        all_at_work.wait(PATIENCE_SECONDS)
        claim = current_claim()
        assert claim
        seen[event["detail"]["IdempotencyKey"]] = (claim.key, claim.generation)

    claimed(store, "key-3").release()
    keys = [f"key-{number}" for number in range(20)]
    Deduplicator(store).process_batch(batch_of(*keys), handler, max_workers=4)
    assert seen == {key: (key, 2 if key == "key-3" else 1) for key in keys}


def test_without_deduplication_there_is_no_claim(store: TransactingStore) -> None:
    """With the kill switch thrown a handler can tell that it runs without a claim."""
    seen: list[Any] = []
    deduplicator = Deduplicator(store, Config(disabled=True))
    deduplicator.process_batch(batch_of("k"), lambda _: seen.append(current_claim()))
    assert seen == [None]


def test_outside_a_handler_there_is_no_claim_to_ask_for(store: TransactingStore) -> None:
    """Asked elsewhere, before or after a batch, it is an error and never a silent None."""
    Deduplicator(store).process_batch(batch_of("k"), lambda _: None)
    with pytest.raises(IdemError, match="pass the claim to the threads"):
        current_claim()
