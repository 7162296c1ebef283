"""Same key, other content: an error on every path, and never dropped as a duplicate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    Cause,
    Config,
    ConfigError,
    Deduplicator,
    MessageStatus,
    Outcome,
    StoreError,
    once,
)
from cxone_idem.errors import FingerprintMismatchError
from cxone_idem.events.fingerprint import NOTHING_FOUND, find_fingerprint, fingerprint_of
from cxone_idem.protocol.store import ConditionalPut, PutResult
from cxone_idem.record import State
from tests.support.clocks import MovableClock, TellsTime
from tests.support.engines import MemoryTable
from tests.support.events import batch, envelope, failed, record
from tests.support.failing_store import FailingStore
from tests.support.strict_store import StrictStore

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG = Config(fingerprint="detail.conversationId")


def message(message_id: str, conversation: str | None, key: str = "k") -> dict[str, Any]:
    """Return an SQS record of an event of a conversation."""
    event = envelope(key)
    event["detail"]["conversationId"] = conversation
    return record(message_id, event)


class Consumer:
    """One process, and what it ran."""

    def __init__(self, store: Any, config: Config = CONFIG, **more: Any) -> None:
        self.ran: list[str] = []
        self.outcomes: list[Outcome] = []
        self.deduplicator = Deduplicator(store, config, on_outcome=self.outcomes.append, **more)

    def consume(self, *records: dict[str, Any]) -> list[str]:
        self.outcomes.clear()
        return failed(self.deduplicator.process_batch(batch(*records), self._run))

    def _run(self, event: dict[str, Any]) -> None:
        self.ran.append(event["detail"]["conversationId"])

    def statuses(self) -> list[MessageStatus]:
        return [outcome.status for outcome in self.outcomes]


class Grouped(StrictStore):
    """A store that takes many writes in one request."""

    def put_many(
        self, writes: Sequence[ConditionalPut], *_: object
    ) -> list[PutResult | StoreError]:
        return [self.put_if(*write) for write in writes]


@pytest.mark.parametrize("neighbours", [0, 3], ids=["alone", "in a batch"])
def test_done_for_another_event_fails_and_is_reported(
    neighbours: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In another process, claimed alone or ahead with others: failed, unrun, logged as error."""
    store = Grouped()
    Consumer(store).consume(message("m", "conv-1"))
    other = Consumer(store)
    others = [message(f"n{number}", "conv-3", f"key-{number}") for number in range(neighbours)]
    assert other.consume(message("m2", "conv-2"), *others) == ["m2"]
    assert other.ran == ["conv-3"] * neighbours
    assert other.statuses()[0] is MessageStatus.FINGERPRINT_MISMATCH
    assert other.outcomes[0].cause is Cause.NOT_A_DUPLICATE
    assert isinstance(other.outcomes[0].error, FingerprintMismatchError)
    assert "is no duplicate" in caplog.text
    assert "conv-" not in caplog.text


def test_a_duplicate_of_the_same_content_is_still_one() -> None:
    """What agrees is dropped as ever, here and elsewhere."""
    store = StrictStore()
    first = Consumer(store)
    assert first.consume(message("m", "conv-1"), message("m2", "conv-1")) == []
    assert first.consume(message("m3", "conv-1")) == []
    second = Consumer(store)
    assert second.consume(message("m4", "conv-1")) == []
    assert first.ran == ["conv-1"]
    assert second.statuses() == [MessageStatus.ALREADY_DONE]


def test_other_content_in_the_same_batch_fails() -> None:
    """The second message of a key that this very batch has done."""
    consumer = Consumer(StrictStore())
    assert consumer.consume(message("m", "conv-1"), message("m2", "conv-2")) == ["m2"]
    assert consumer.ran == ["conv-1"]
    assert consumer.statuses() == [MessageStatus.COMPLETED, MessageStatus.FINGERPRINT_MISMATCH]


def test_other_content_of_a_key_this_batch_found_done_fails() -> None:
    """The first message is a duplicate, the second is not."""
    store = StrictStore()
    Consumer(store).consume(message("m", "conv-1"))
    consumer = Consumer(store)
    assert consumer.consume(message("m2", "conv-1"), message("m3", "conv-2")) == ["m3"]
    assert consumer.statuses() == [MessageStatus.ALREADY_DONE, MessageStatus.FINGERPRINT_MISMATCH]


def test_other_content_of_a_key_this_process_knows_done_fails() -> None:
    """The memory of done keys, which asks no store, compares too."""
    consumer = Consumer(StrictStore())
    consumer.consume(message("m", "conv-1"))
    assert consumer.consume(message("m2", "conv-2")) == ["m2"]
    assert consumer.statuses() == [MessageStatus.FINGERPRINT_MISMATCH]


def test_other_content_of_a_key_found_done_elsewhere_is_remembered() -> None:
    """A refusal puts the record into the memory; the right content is a duplicate by it."""
    store = MemoryTable()
    Consumer(store).consume(message("m", "conv-1"))
    consumer = Consumer(store)
    assert consumer.consume(message("m2", "conv-2")) == ["m2"]
    assert store.requests == 3
    assert consumer.consume(message("m3", "conv-1")) == []
    assert consumer.statuses() == [MessageStatus.ALREADY_DONE]
    assert store.requests == 3


def test_other_content_of_a_completion_still_unrecorded_fails() -> None:
    """Work that is done and not yet recorded is known with its content."""
    store = FailingStore(StrictStore())
    consumer = Consumer(store)
    store.fails = State.DONE
    consumer.consume(message("m", "conv-1"))
    assert consumer.statuses() == [MessageStatus.UNRECORDED]
    assert consumer.consume(message("m2", "conv-2")) == ["m2"]
    assert consumer.statuses() == [MessageStatus.FINGERPRINT_MISMATCH]
    assert consumer.consume(message("m3", "conv-1")) == []


def test_other_content_in_progress_elsewhere_fails_as_such() -> None:
    """Not "come back later": coming back would end in being dropped."""
    store = StrictStore()
    claim = Deduplicator(store).claim("k", fingerprint="conv-1")
    assert claim
    consumer = Consumer(store)
    assert consumer.consume(message("m", "conv-2")) == ["m"]
    assert consumer.statuses() == [MessageStatus.FINGERPRINT_MISMATCH]
    assert consumer.consume(message("m", "conv-1")) == ["m"]
    assert consumer.statuses() == [MessageStatus.IN_PROGRESS]


def test_what_nobody_did_is_taken_over_whatever_its_content(clock: MovableClock) -> None:
    """Released, lapsed, past retention: there is nothing to be dropped as a duplicate of."""
    told = TellsTime(StrictStore(), clock)
    claim = Deduplicator(told, now=clock).claim("k", fingerprint="conv-1")
    assert claim
    claim.release()
    lapses = Deduplicator(told, now=clock).claim("k", fingerprint="conv-2")
    assert lapses
    clock.advance(400)
    third = Deduplicator(told, now=clock).claim("k", fingerprint="conv-3")
    assert third
    third.complete()
    clock.advance(15 * 86_400)
    assert Deduplicator(told, now=clock).claim("k", fingerprint="conv-4")


def test_without_a_fingerprint_on_either_side_everything_agrees() -> None:
    """Records from before the setting, and consumers without it."""
    store = StrictStore()
    off = Config(fingerprint="none")
    Consumer(store, off).consume(message("m", "conv-1"))
    assert Consumer(store).consume(message("m2", "conv-2")) == []
    Consumer(store).consume(message("m3", "conv-1", "l"))
    assert Consumer(store, off).consume(message("m4", "conv-2", "l")) == []


def test_claim_alone_compares_what_it_is_given() -> None:
    """The same hash as a batch's, so both may share a key; the content itself is not stored."""
    store = StrictStore()
    Consumer(store).consume(message("m", "conv-1"))
    deduplicator = Deduplicator(store)
    duplicate = deduplicator.claim("k", fingerprint="conv-1")
    assert not duplicate
    assert "conv-1" not in str(duplicate.record)
    with pytest.raises(FingerprintMismatchError, match="CXONE_IDEM_KEY"):
        deduplicator.claim("k", fingerprint="conv-2")
    assert not deduplicator.claim("k")
    assert deduplicator.claim("l", fingerprint={"any": ["JSON", 1]})


def test_a_decorated_function_compares_too() -> None:
    """`@once` finds the fingerprint by the same setting, so a batch and it may share a key."""
    deduplicator = Deduplicator(StrictStore(), CONFIG)
    ran: list[str] = []

    @once(deduplicator=deduplicator)
    def process_event(event: dict[str, Any]) -> None:
        ran.append(event["detail"]["conversationId"])

    for conversation in ("conv-1", "conv-1"):
        process_event(json.loads(message("m", conversation)["body"]))
    with pytest.raises(FingerprintMismatchError):
        process_event(json.loads(message("m", "conv-2")["body"]))
    assert ran == ["conv-1"]
    assert failed(deduplicator.process_batch(batch(message("m", "conv-2")), print)) == ["m"]


def test_nothing_found_is_content_like_any_other() -> None:
    """It agrees with nothing found, and not with something: no event is dropped on a guess."""
    consumer = Consumer(StrictStore())
    assert consumer.consume(message("m", None), message("m2", None)) == []
    assert consumer.consume(message("m3", "conv-1")) == ["m3"]


def _without(detail: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**envelope("k"), "detail": {"IdempotencyKey": "k", **detail}, **fields}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"conversationId": "1"}, {"conversationId": "2"}),
        ({"conversationId": 1}, {"conversationId": 2}),
        ({"conversation": {"id": "1"}}, {"conversation": {"id": "2"}}),
        (
            {"conversationId": "1", "eventType": "start"},
            {"conversationId": "1", "eventType": "end"},
        ),
        ({"eventType": "start"}, {"eventType": "end"}),
        ({"eventType": 1}, {"eventType": 2}),
    ],
)
def test_two_conversations_or_types_that_share_a_key_fail_by_default(
    one: dict[str, Any], other: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """In a batch, in the same process, in another, and by `@once`; none of them is dropped."""
    store = StrictStore()
    ran: list[Any] = []
    deduplicator = Deduplicator(store)
    events = [_without(one), _without(other)]
    records = [record(f"m{number}", event) for number, event in enumerate(events)]
    assert failed(deduplicator.process_batch(batch(*records), ran.append)) == ["m1"]
    for process in (deduplicator, Deduplicator(store)):
        assert failed(process.process_batch(batch(*records), ran.append)) == ["m1"]
        with pytest.raises(FingerprintMismatchError):
            once(deduplicator=process)(ran.append)(events[1])
    assert ran == [events[0]]
    assert "CXONE_IDEM_FINGERPRINT" in caplog.text


def test_the_type_of_the_envelope_counts_where_the_detail_has_none() -> None:
    """`detail-type` is EventBridge's own word for it."""
    start = _without({"conversationId": "1"})
    ids = ["m0", "m1"]
    end = {**start, "detail-type": "conversation.end"}
    records = [record(*message) for message in zip(ids, (start, end), strict=True)]
    response = Deduplicator(StrictStore()).process_batch(batch(*records), lambda _: None)
    assert failed(response) == ["m1"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"conversationId": 1}', '{"conversationId": 1.0}'),
        ('{"conversationId": "1"}', '{"conversation": {"id": "1"}}'),
        ('{"conversationId": 9007199254740993.0}', '{"conversationId": 9007199254740993}'),
        ('{"eventType": "a", "conversationId": "1"}', '{"conversationId": "1", "eventType": "a"}'),
        ('{"conversationId": ""}', '{"conversationId": null}'),
    ],
)  # fmt: skip
def test_a_true_duplicate_is_none_by_default(one: str, other: str) -> None:
    """Another spelling of the same is the same, and what is missing on both sides agrees."""
    bodies = [
        json.dumps(_without({"more": 0})).replace('"more": 0', detail[1:-1])
        for detail in (one, other)
    ]
    records = [record(f"m{number}", body) for number, body in enumerate(bodies)]
    ran: list[Any] = []
    assert failed(Deduplicator(StrictStore()).process_batch(batch(*records), ran.append)) == []
    assert len(ran) == 1


def test_an_event_that_says_nothing_agrees_with_any_by_default() -> None:
    """It names no conversation and no type, so nothing makes it differ."""
    silent = {"detail": {"IdempotencyKey": "k"}}
    for events in ([silent, envelope("k")], [envelope("k"), silent]):
        records = [record(f"m{number}", event) for number, event in enumerate(events)]
        response = Deduplicator(StrictStore()).process_batch(batch(*records), lambda _: None)
        assert failed(response) == []
    assert find_fingerprint(silent, Config().fingerprint) is None


@pytest.mark.parametrize("key", ["00000000-0000-0000-0000-000000000000", "0", "null", "undefined"])
def test_a_key_that_many_events_have_loses_none(key: str) -> None:
    """A producer's placeholder is a key like any other: the second conversation fails."""
    records = [message(f"m{number}", f"conv-{number}", key) for number in range(3)]
    consumer = Consumer(StrictStore(), Config())
    assert consumer.consume(*records) == ["m1", "m2"]
    assert consumer.statuses() == [
        MessageStatus.COMPLETED,
        MessageStatus.FINGERPRINT_MISMATCH,
        MessageStatus.FINGERPRINT_MISMATCH,
    ]


@pytest.mark.parametrize(
    "config",
    [
        Config(fingerprint=""),
        Config(fingerprint="none"),
        Config.from_environ({"CXONE_IDEM_FINGERPRINT": " none "}),
    ],
)
def test_the_comparison_can_be_switched_off(config: Config) -> None:
    """By a word, as empty means unset; in code, empty will do."""
    consumer = Consumer(StrictStore(), config)
    assert consumer.consume(message("m", "conv-1"), message("m2", "conv-2")) == []
    assert Config.from_environ({"CXONE_IDEM_FINGERPRINT": " "}).fingerprint == Config().fingerprint


@pytest.mark.parametrize("content", [{1, 2}, {"a": float("nan")}, {1: "a"}])
def test_content_that_is_no_json_is_refused(content: Any) -> None:
    """It says so before anything is claimed."""
    with pytest.raises(TypeError, match="fingerprint"):
        Deduplicator(StrictStore()).claim("k", fingerprint=content)


def test_a_fingerprint_is_short_and_the_same_for_equal_content() -> None:
    """Order of members does not matter; an expression that fails on an event finds nothing."""
    assert fingerprint_of({"a": 1, "b": "ü\ud800"}) == fingerprint_of({"b": "ü\ud800", "a": 1})
    assert len(fingerprint_of("conv-1")) == 16
    assert fingerprint_of(["ü", 1.0]) == "8c11c6b00f8c568e"
    assert find_fingerprint({}, "") is None
    assert find_fingerprint({}, "detail.conversationId") == NOTHING_FOUND
    assert find_fingerprint({"a": 1}, "from_json(a)") == NOTHING_FOUND
    assert find_fingerprint({"a": "["}, "from_json(a)") == NOTHING_FOUND
    with pytest.raises(ConfigError, match="CXONE_IDEM_FINGERPRINT"):
        Config(fingerprint="detail.[")


def test_in_threads_other_content_fails_too() -> None:
    """Messages of one key stay in one lane."""
    consumer = Consumer(StrictStore(), replace(CONFIG, max_workers=4))
    records = [message("m", "conv-1"), message("n", "conv-1", "l"), message("m2", "conv-2")]
    assert consumer.consume(*records) == ["m2"]
