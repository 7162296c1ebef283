"""The contract of the four verbs, held against every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    AlreadyDone,
    Claimed,
    ClaimLostError,
    Config,
    Deduplicator,
    InProgressError,
    StoreError,
)
from cxone_idem.record import Origin, State
from tests.support.clocks import MovableClock, TellsTime

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = Config(lease_seconds=60, retention_seconds=3600)
PAST_THE_LEASE_SECONDS = 60 + 3 + 1  # lease, margin, and a whole second as dates are cut
PAST_THE_RETENTION_SECONDS = 3600 + 2


def worker(table: Any, clock: MovableClock) -> Deduplicator:
    """Return a consumer of its own: only the table is shared with other workers."""
    return Deduplicator(TellsTime(table.store(), clock), CONFIG, now=clock)


def claimed(deduplicator: Deduplicator, key: str = "k") -> Claimed:
    """Claim a key that must be free."""
    outcome = deduplicator.claim(key)
    assert isinstance(outcome, Claimed)
    return outcome


def test_first_delivery_takes_two_requests_and_a_duplicate_one(
    table: Any, clock: MovableClock
) -> None:
    """First delivery: claim and complete. Duplicate: one refused write, no read."""
    claimed(worker(table, clock)).complete()
    assert table.requests == 2
    assert not worker(table, clock).claim("k")
    assert table.requests == 3


def test_a_done_key_tells_since_when_and_by_which_delivery(table: Any, clock: MovableClock) -> None:
    """The refused claim brings the record of the delivery that did the work."""
    origin = Origin("event-1", "message-1", 2, 1_700_000_000_123, "replay", "request-1")
    claim = worker(table, clock).claim("k", origin=origin)
    clock.advance(5)
    worker_done_ms = int(clock() * 1000)
    assert claim
    claim.complete()
    clock.advance(100)
    outcome = worker(table, clock).claim("k")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.key == "k"
    assert outcome.record.state is State.DONE
    assert outcome.record.origin == origin
    assert outcome.record.done_at_ms == worker_done_ms


def test_a_held_key_is_in_progress_for_everyone_else(table: Any, clock: MovableClock) -> None:
    """`InProgressError` names the key and when a retry makes sense; nothing is changed."""
    claim = claimed(worker(table, clock))
    with pytest.raises(InProgressError) as caught:
        worker(table, clock).claim("k")
    assert caught.value.key == "k"
    assert caught.value.retry_after_seconds == 63
    claim.complete()


def test_in_progress_holds_to_the_end_of_the_lease(table: Any, clock: MovableClock) -> None:
    """One second before lease and margin end, the key is still the owner's."""
    claimed(worker(table, clock))
    clock.advance(PAST_THE_LEASE_SECONDS - 2)
    with pytest.raises(InProgressError):
        worker(table, clock).claim("k")


def test_a_lapsed_lease_is_taken_over_with_the_next_generation(
    table: Any, clock: MovableClock
) -> None:
    """A dead worker's key goes to the next delivery, and the fence rises."""
    assert claimed(worker(table, clock)).generation == 1
    clock.advance(PAST_THE_LEASE_SECONDS)
    assert claimed(worker(table, clock)).generation == 2


@pytest.mark.parametrize("verb", ["complete", "release", "extend"])
def test_a_late_worker_changes_nothing(table: Any, clock: MovableClock, verb: str) -> None:
    """Once taken over, no verb of the former owner touches the newer owner's record."""
    late = claimed(worker(table, clock))
    clock.advance(PAST_THE_LEASE_SECONDS)
    newer = claimed(worker(table, clock))
    with pytest.raises(ClaimLostError, match="generation 2"):
        getattr(late, verb)()
    newer.complete()
    assert not worker(table, clock).claim("k")


@pytest.mark.parametrize("verb", ["complete", "release", "extend"])
def test_a_late_worker_changes_nothing_that_is_done(
    table: Any, clock: MovableClock, verb: str
) -> None:
    """Nor does it touch what the newer owner has completed."""
    late = claimed(worker(table, clock))
    clock.advance(PAST_THE_LEASE_SECONDS)
    claimed(worker(table, clock)).complete()
    with pytest.raises(ClaimLostError):
        getattr(late, verb)()
    outcome = worker(table, clock).claim("k")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.record.generation == 2


def test_a_late_completion_that_nobody_overtook_counts(table: Any, clock: MovableClock) -> None:
    """The clock decides takeover, the version decides writes."""
    late = claimed(worker(table, clock))
    clock.advance(10 * PAST_THE_LEASE_SECONDS)
    late.complete()
    assert not worker(table, clock).claim("k")


def test_a_released_key_is_free_at_once_and_remembers_its_attempts(
    table: Any, clock: MovableClock
) -> None:
    """Release keeps the record, so generation counts on."""
    claimed(worker(table, clock)).release()
    again = claimed(worker(table, clock))
    assert again.generation == 2
    again.release()
    assert claimed(worker(table, clock)).generation == 3


def test_extend_moves_the_end_of_the_lease(table: Any, clock: MovableClock) -> None:
    """A heartbeat keeps the key past the first lease, and the claim still completes."""
    claim = claimed(worker(table, clock))
    clock.advance(50)
    claim.extend()
    clock.advance(50)
    with pytest.raises(InProgressError):
        worker(table, clock).claim("k")
    claim.complete()
    assert not worker(table, clock).claim("k")


def test_done_past_retention_counts_as_absent(table: Any, clock: MovableClock) -> None:
    """TTL deletes days late, so the library looks at the time itself."""
    claimed(worker(table, clock)).complete()
    clock.advance(PAST_THE_RETENTION_SECONDS - 10)
    assert not worker(table, clock).claim("k")
    clock.advance(10)
    assert claimed(worker(table, clock)).generation == 2


def test_completing_twice_is_the_same_as_once(table: Any, clock: MovableClock) -> None:
    """The second completion sends nothing; releasing what is done is refused."""
    claim = claimed(worker(table, clock))
    claim.complete()
    claim.complete()
    assert table.requests == 2
    with pytest.raises(ClaimLostError, match="DONE already"):
        claim.release()
    assert not worker(table, clock).claim("k")


def test_a_plain_key_means_the_claim_this_process_holds(table: Any, clock: MovableClock) -> None:
    """`complete(key)` works where the key was claimed, and is an error where it was not."""
    holder = worker(table, clock)
    holder.claim("k")
    with pytest.raises(ClaimLostError, match="this process holds none"):
        worker(table, clock).complete("k")
    holder.extend("k")
    holder.complete("k")
    assert not worker(table, clock).claim("k")
    with pytest.raises(ClaimLostError, match="this process holds none"):
        holder.complete("k")


def test_release_by_plain_key(table: Any, clock: MovableClock) -> None:
    """`release(key)` frees the key that this process holds."""
    holder = worker(table, clock)
    holder.claim("k")
    holder.release("k")
    assert claimed(worker(table, clock)).generation == 2


def test_namespaces_keep_consumers_apart(table: Any, clock: MovableClock) -> None:
    """Two consumers on one table do not swallow each other's events."""
    for name in ("billing", "crm", ""):
        store = TellsTime(table.store(), clock)
        deduplicator = Deduplicator(store, Config(namespace=name), now=clock)
        claimed(deduplicator).complete()


@pytest.mark.parametrize(
    "key",
    [
        "x" * 2048,
        "x" * 2049,
        "x" * 500_000,
        "ключ-🔑-\u0000-\n",
        "\ud800 a lone surrogate",
        "sha256:" + "0" * 64,
        " padded ",
        "a#b",
    ],
    ids=["longest", "too-long", "huge", "unicode", "surrogate", "hash-like", "padded", "hash-sign"],
)
def test_keys_of_any_length_and_content(table: Any, clock: MovableClock, key: str) -> None:
    """Every text is a key, and no two texts are the same key."""
    claimed(worker(table, clock), key).complete()
    assert not worker(table, clock).claim(key)
    assert worker(table, clock).claim(key + ".")


def _claim(table: Any, clock: MovableClock, lose: Callable[[], None]) -> None:
    lose()
    claimed(worker(table, clock)).complete()


def _then(verb: str) -> Callable[[Any, MovableClock, Callable[[], None]], None]:
    def act(table: Any, clock: MovableClock, lose: Callable[[], None]) -> None:
        claim = claimed(worker(table, clock))
        lose()
        getattr(claim, verb)()

    return act


@pytest.mark.parametrize(
    "act",
    [_claim, _then("complete"), _then("release"), _then("extend")],
    ids=["claim", "complete", "release", "extend"],
)
def test_a_lost_answer_is_recognised(
    table: Any,
    clock: MovableClock,
    act: Callable[[Any, MovableClock, Callable[[], None]], None],
) -> None:
    """Executed, connection cut, retried: refused by one's own write, which is success."""
    before = table.requests
    act(table, clock, table.lose_answers)
    assert table.requests > before + 1


def test_a_lost_answer_to_a_takeover_is_recognised(table: Any, clock: MovableClock) -> None:
    """The takeover landed, its answer did not: the retry finds its own version standing."""
    claimed(worker(table, clock)).release()
    deduplicator = Deduplicator(TellsTime(_LosesTakeovers(table), clock), CONFIG, now=clock)
    again = claimed(deduplicator)
    assert again.generation == 2
    again.complete()
    assert not worker(table, clock).claim("k")


class _LosesTakeovers:
    """A store that loses the answer of each write that expects a version."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._store = table.store()

    def put_if(self, record: Any, expected_version: str | None) -> Any:
        if expected_version is not None:
            self._table.lose_answers()
        return self._store.put_if(record, expected_version)


def test_a_marker_without_state_counts_as_done(items: Any, clock: MovableClock) -> None:
    """What the check-then-insert consumer wrote before it adopted this library is honoured."""
    items.put_raw({"id": {"S": "k"}, "processed": {"BOOL": True}})
    outcome = worker(items, clock).claim("k")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.record.done_at_ms is None
    assert "processed" in items.item("k")


def test_a_marker_past_its_own_ttl_is_taken_over(items: Any, clock: MovableClock) -> None:
    """A marker with a TTL in the past counts as absent, and an unexpired one does not."""
    items.put_raw({"id": {"S": "k"}, "expires_at": {"N": str(int(clock()) + 10)}})
    assert not worker(items, clock).claim("k")
    clock.advance(11)
    claimed(worker(items, clock)).complete()
    assert not worker(items, clock).claim("k")


@pytest.mark.parametrize(
    "foreign",
    [
        {"state": {"S": "HALF_DONE"}},
        {"state": {"N": "1"}},
        {"state": {"S": "DONE"}},
        {"state": {"S": "IN_PROGRESS"}, "version": {"S": "v"}, "generation": {"S": "one"}},
        {"version": {"S": "v"}},
    ],
    ids=["unknown-state", "state-a-number", "no-version", "generation-a-text", "version-alone"],
)
def test_a_foreign_item_is_an_error_and_stays(
    items: Any, clock: MovableClock, foreign: dict[str, Any]
) -> None:
    """Another program's item is neither taken for done nor overwritten."""
    items.put_raw({"id": {"S": "k"}, **foreign})
    with pytest.raises(StoreError, match="was not written by this library"):
        worker(items, clock).claim("k")
    assert items.item("k") == {"id": {"S": "k"}, **foreign}


def test_a_record_deleted_under_a_claim_is_lost(items: Any, clock: MovableClock) -> None:
    """A completion never brings back an item that is gone."""
    claim = claimed(worker(items, clock))
    items.client.delete_item(TableName=items.name, Key={"id": {"S": "k"}})
    with pytest.raises(ClaimLostError, match="gone"):
        claim.complete()
    assert items.item("k") is None


def test_the_item_is_what_the_design_says(items: Any, clock: MovableClock) -> None:
    """Attribute names, types and units; no payload; under 1 KB."""
    claim = claimed(worker(items, clock))
    claim.complete()
    now_ms = int(clock() * 1000)
    item = items.item("k")
    version = item.pop("version")
    assert len(version["S"]) == 32
    assert item == {
        "id": {"S": "k"},
        "state": {"S": "DONE"},
        "generation": {"N": "1"},
        "lease_until_ms": {"N": str(now_ms + 63_000)},
        "expires_at": {"N": str(int(clock()) + 3600)},
        "claimed_at_ms": {"N": str(now_ms)},
        "done_at_ms": {"N": str(now_ms)},
    }
