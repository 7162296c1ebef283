"""Every row of the design's table: what happens to each message, and what its record says."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from cxone_idem import (
    AlreadyDone,
    Config,
    Deduplicator,
    IdemError,
    InProgressError,
    MemoryStore,
)
from cxone_idem.record import State
from tests.support.clocks import MovableClock, TellsTime
from tests.support.engines import MemoryTable
from tests.support.events import QUEUE_ARN, Context, batch, batch_of, envelope, failed, record
from tests.support.failing_store import FailingStore


class Handler:
    """A `process_event` that keeps what it was given and fails for the keys that its test names."""

    def __init__(self, *fails_for: str) -> None:
        self.fails_for = set(fails_for)
        self.keys: list[str] = []

    def __call__(self, event: dict[str, Any]) -> None:
        key = event["detail"]["IdempotencyKey"]
        self.keys.append(key)
        if key in self.fails_for:
            message = f"cannot process {key}"
            raise RuntimeError(message)


@pytest.fixture
def store() -> MemoryTable:
    """Return a store in memory that counts requests."""
    return MemoryTable()


@pytest.fixture
def deduplicator(store: MemoryTable) -> Deduplicator:
    """Return a consumer on that store."""
    return Deduplicator(store)


def test_claimed_run_completed_is_deleted_and_done(
    deduplicator: Deduplicator, store: MemoryTable
) -> None:
    """The main row: the handler gets the parsed envelope, the record is DONE, two requests."""
    seen: list[Any] = []
    response = deduplicator.process_batch(batch(record("m0", envelope("k"))), seen.append)
    assert response == {"batchItemFailures": []}
    assert seen == [envelope("k")]
    assert store.requests == 2
    assert isinstance(deduplicator.claim("k"), AlreadyDone)


def test_already_done_is_deleted_unrun(deduplicator: Deduplicator, store: MemoryTable) -> None:
    """A duplicate in a later batch costs one request, none in this process, and runs nothing."""
    handler = Handler()
    deduplicator.process_batch(batch_of("k"), handler)
    assert deduplicator.process_batch(batch_of("k"), handler) == {"batchItemFailures": []}
    assert store.requests == 2
    assert Deduplicator(store).process_batch(batch_of("k"), handler) == {"batchItemFailures": []}
    assert store.requests == 3
    assert handler.keys == ["k"]


def test_same_key_twice_in_one_batch_sends_nothing_for_the_second(
    deduplicator: Deduplicator, store: MemoryTable
) -> None:
    """The second is deleted without a request."""
    handler = Handler()
    assert failed(deduplicator.process_batch(batch_of("k", "k", "k"), handler)) == []
    assert handler.keys == ["k"]
    assert store.requests == 2


def test_in_progress_elsewhere_fails_without_raising(store: MemoryTable) -> None:
    """A batch of one in progress elsewhere is reported, not raised: contention is no alarm."""
    assert Deduplicator(store).claim("k")
    handler = Handler()
    assert failed(Deduplicator(store).process_batch(batch_of("k"), handler)) == ["m0"]
    assert handler.keys == []


def test_a_handler_that_raises_fails_and_releases(
    deduplicator: Deduplicator, caplog: pytest.LogCaptureFixture
) -> None:
    """The message comes back, finds the key free, and counts the attempt; its neighbours go on."""
    handler = Handler("b")
    assert failed(deduplicator.process_batch(batch_of("a", "b", "c"), handler)) == ["m1"]
    assert "cannot process b" in caplog.text
    handler.fails_for.clear()
    assert failed(deduplicator.process_batch(batch_of("a", "b", "c"), handler)) == []
    assert handler.keys == ["a", "b", "c", "b"]
    outcome = deduplicator.claim("b")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.record.generation == 2


def test_a_claim_lost_under_the_handler_is_deleted_and_logged(
    store: MemoryTable, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The effect was made: repeating the message would make it again. The newer record stays."""
    told = TellsTime(store, clock)
    newer = Deduplicator(told, now=clock)

    def overtaken(_: Any) -> None:
        clock.advance(10_000)
        assert newer.claim("k")

    deduplicator = Deduplicator(told, now=clock)
    assert failed(deduplicator.process_batch(batch_of("k"), overtaken)) == []
    assert "perhaps a second time" in caplog.text
    with pytest.raises(InProgressError):
        Deduplicator(told, now=clock).claim("k")
    newer.complete("k")


@pytest.mark.parametrize("executes", [False, True], ids=["not-executed", "executed"])
def test_a_completion_the_store_does_not_take_is_recorded_later(
    executes: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Deleted and remembered; recorded as soon as the store answers anything again."""
    store = FailingStore(MemoryStore())
    store.fails, store.executes = State.DONE, executes
    deduplicator = Deduplicator(store)
    handler = Handler()
    assert failed(deduplicator.process_batch(batch_of("k"), handler)) == []
    assert "not recorded yet" in caplog.text
    # A duplicate in this process is known as done, though the store still cannot say so.
    assert failed(deduplicator.process_batch(batch_of("k"), handler)) == []
    assert handler.keys == ["k"]
    store.fails = None
    assert failed(deduplicator.process_batch(batch_of("other"), handler)) == []
    assert not Deduplicator(store).claim("k")


def test_a_completion_recorded_too_late_leaves_the_newer_owner_alone(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """If the key was taken over before the completion could be recorded, that is logged."""
    store = FailingStore(MemoryStore())
    told = TellsTime(store, clock)
    deduplicator = Deduplicator(told, now=clock)
    store.fails = State.DONE
    deduplicator.process_batch(batch_of("k"), Handler())
    store.fails = None
    clock.advance(10_000)
    newer = Deduplicator(told, now=clock).claim("k")
    assert newer
    deduplicator.process_batch(batch_of("other"), Handler())
    assert "came too late" in caplog.text
    newer.complete()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("not json", "not JSON"),
        ("", "not JSON"),
        ("[1, 2]", "a list"),
        ("null", "body is null"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5000, "JSON"),
        (json.dumps({"detail": {}}), "null"),
        (json.dumps({"detail": {"IdempotencyKey": "  "}}), "whitespace"),
        (json.dumps(envelope(id="", detail={})), "empty"),
    ],
)
def test_no_key_fails_with_a_clear_error_and_stops_nobody(
    deduplicator: Deduplicator, caplog: pytest.LogCaptureFixture, body: str, reason: str
) -> None:
    """It ends in the dead-letter queue; its neighbours run."""
    handler = Handler()
    event = batch(record("bad", body), record("good", envelope("k")))
    assert failed(deduplicator.process_batch(event, handler)) == ["bad"]
    assert handler.keys == ["k"]
    assert reason in caplog.text


def test_no_body_fails_its_message_alone(deduplicator: Deduplicator) -> None:
    """A record without a body is a message without a key."""
    event = batch_of("a", "b")
    del event["Records"][0]["body"]
    assert failed(deduplicator.process_batch(event, Handler())) == ["m0"]


def test_an_unreachable_store_runs_nothing_unclaimed(caplog: pytest.LogCaptureFixture) -> None:
    """Without a claim there is no work: the messages come back."""
    store = FailingStore(MemoryStore())
    store.fails = State.IN_PROGRESS
    handler = Handler()
    assert failed(Deduplicator(store).process_batch(batch_of("a", "b"), handler)) == ["m0", "m1"]
    assert handler.keys == []
    assert "was not claimed" in caplog.text


@pytest.mark.parametrize("executes", [False, True], ids=["not-executed", "executed"])
def test_an_ambiguous_claim_is_given_back_at_once(executes: bool) -> None:  # noqa: FBT001
    """A claim that may have landed is released, so the next delivery waits for no lease."""
    store = FailingStore(MemoryStore())
    store.fails, store.executes = State.IN_PROGRESS, executes
    Deduplicator(store).process_batch(batch_of("k"), Handler())
    store.fails = None
    assert Deduplicator(store).claim("k")


def test_too_little_time_left_starts_nothing(
    deduplicator: Deduplicator, store: MemoryTable
) -> None:
    """A message that could not be finished before the deadline is left, its key free."""
    context = Context(5000)
    keys: list[str] = []

    def slow(event: dict[str, Any]) -> None:
        keys.append(event["detail"]["IdempotencyKey"])
        context.remaining_ms = 900

    event = batch_of("a", "b", "c")
    assert failed(deduplicator.process_batch(event, slow, context=context)) == ["m1", "m2"]
    assert failed(deduplicator.process_batch(event, slow, context=context)) == ["m0", "m1", "m2"]
    assert keys == ["a"]
    assert Deduplicator(store).claim("b")


def test_the_lease_ends_with_the_invocation(store: MemoryTable, clock: MovableClock) -> None:
    """On Lambda a lease is the remaining time and a margin, whatever the setting says."""
    deduplicator = Deduplicator(store, Config(lease_seconds=86_400), now=clock)
    claim = deduplicator.claim("k", context=Context(20_000))
    assert claim
    assert claim.record.lease_until_ms == int(clock() * 1000) + 20_000 + 1_000 + 3_000


def test_fifo_blocks_the_rest_of_the_group_only(deduplicator: Deduplicator) -> None:
    """After a failure the group's later messages fail unclaimed; other groups go on."""
    handler = Handler("a1")
    event = batch(
        record("1", envelope("a1"), group="a", fifo=True),
        record("2", envelope("b1"), group="b", fifo=True),
        record("3", envelope("a2"), group="a", fifo=True),
        record("4", envelope("b2"), group="b", fifo=True),
    )
    assert failed(deduplicator.process_batch(event, handler)) == ["1", "3"]
    assert handler.keys == ["a1", "b1", "b2"]


@pytest.mark.parametrize("trouble", ["in-progress", "no-key"])
def test_fifo_blocks_after_any_kind_of_failure(store: MemoryTable, trouble: str) -> None:
    """In progress elsewhere and no key hold the group back like a handler that raises."""
    assert Deduplicator(store).claim("a1")
    first = envelope("a1") if trouble == "in-progress" else "not json"
    event = batch(
        record("1", first, group="a", fifo=True), record("2", envelope("a2"), group="a", fifo=True)
    )
    handler = Handler()
    assert failed(Deduplicator(store).process_batch(event, handler)) == ["1", "2"]
    assert handler.keys == []


def test_group_ids_of_a_standard_queue_order_nothing(deduplicator: Deduplicator) -> None:
    """Fair queues carry group ids too; only the queue's ARN says FIFO."""
    handler = Handler("a1")
    event = batch(record("1", envelope("a1"), group="a"), record("2", envelope("a2"), group="a"))
    assert failed(deduplicator.process_batch(event, handler)) == ["1"]
    assert handler.keys == ["a1", "a2"]


def test_one_message_id_twice_is_reported_once(deduplicator: Deduplicator) -> None:
    """SQS may deliver copies into one batch; an id is named once, and not if any copy is done."""
    handler = Handler("bad")
    event = batch(
        *(record("x", envelope("bad")) for _ in range(2)),
        *(record("y", envelope("good")) for _ in range(2)),
    )
    assert failed(deduplicator.process_batch(event, handler)) == ["x"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_handler_releases_and_propagates(
    deduplicator: Deduplicator, store: MemoryTable, error: type[BaseException]
) -> None:
    """Stopping the process gives the key back first."""

    def interrupted(_: Any) -> None:
        raise error

    with pytest.raises(error):
        deduplicator.process_batch(batch_of("k"), interrupted)
    assert Deduplicator(store).claim("k")


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (None, "got None"),
        ([], "list"),
        ({}, "object without 'Records'"),
        (envelope(), "object without 'Records'"),
        ({"Records": {}}, "odd 'Records'"),
        ({"Records": ["x"]}, "a str"),
        ({"Records": [{"EventSource": "aws:sns", "eventSource": "aws:s3"}]}, "aws:s3"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, "no messageId"),
        ({"Records": [{"messageId": "", "body": "{}"}]}, "no messageId"),
        ({"Records": [{"messageId": 7, "body": "{}"}]}, "no messageId"),
    ],
)
def test_what_is_no_sqs_event_is_a_clear_error(
    deduplicator: Deduplicator, event: Any, says: str
) -> None:
    """Nothing runs, the invocation fails, so Lambda keeps every message."""
    handler = Handler()
    with pytest.raises(IdemError, match=says):
        deduplicator.process_batch(event, handler)
    assert handler.keys == []


def test_no_message_runs_if_any_could_not_be_reported(deduplicator: Deduplicator) -> None:
    """A record without messageId is found before the first message is run."""
    event = batch_of("a", "b")
    del event["Records"][1]["messageId"]
    handler = Handler()
    with pytest.raises(IdemError, match=r"Records\[1\]"):
        deduplicator.process_batch(event, handler)
    assert handler.keys == []


def test_an_empty_batch_is_no_failure(deduplicator: Deduplicator) -> None:
    """No messages, no failures."""
    assert deduplicator.process_batch(batch(), Handler()) == {"batchItemFailures": []}


def test_an_async_handler_is_refused(deduplicator: Deduplicator) -> None:
    """Calling it would do nothing and the event would count as done."""

    async def process_event(_: Any) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="async"):
        deduplicator.process_batch(batch_of("k"), process_event)
    # Hidden behind a plain callable it fails its message instead.
    response = deduplicator.process_batch(batch_of("k"), lambda event: process_event(event))  # noqa: PLW0108
    assert failed(response) == ["m0"]


@pytest.mark.parametrize(("handler", "context"), [(None, None), ("name", None), (print, "ctx")])
def test_a_wrong_handler_or_context_is_a_clear_error(
    deduplicator: Deduplicator, handler: Any, context: Any
) -> None:
    """Arguments are checked before anything runs."""
    with pytest.raises(TypeError, match=r"process_event must be|context must have"):
        deduplicator.process_batch(batch_of("k"), handler, context=context)


def test_the_origin_of_the_first_delivery_is_recorded(deduplicator: Deduplicator) -> None:
    """Whose delivery it was, from SQS, EventBridge and Lambda."""
    event = batch(record("m0", {**envelope("k"), "replay-name": "replay-1"}))
    deduplicator.process_batch(event, Handler(), context=Context(10_000))
    outcome = deduplicator.claim("k")
    assert isinstance(outcome, AlreadyDone)
    origin = outcome.record.origin
    assert origin.event_id == "event-of-k"
    assert origin.message_id == "m0"
    assert (origin.receive_count, origin.sent_at_ms) == (1, 1698417000123)
    assert (origin.replay_name, origin.request_id) == ("replay-1", "request-1")


def test_an_odd_origin_never_stops_the_work(deduplicator: Deduplicator) -> None:
    """Ids of odd types or lengths are left out or cut."""
    odd = {"id": {"not": "text"}, "replay-name": "x" * 500_000}
    event = batch(record("m0", envelope("k", **odd), ApproximateReceiveCount="many"))
    event["Records"].append({**record("m1", envelope("l")), "attributes": None})
    assert failed(deduplicator.process_batch(event, Handler())) == []
    outcome = deduplicator.claim("k")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.record.origin.event_id is None
    assert outcome.record.origin.receive_count is None
    assert len(outcome.record.origin.replay_name or "") == 128


def test_numbers_no_table_could_hold_are_left_out(deduplicator: Deduplicator) -> None:
    """DynamoDB refuses numbers of more than 38 digits; the origin is not worth a message."""
    event = batch_of("k")
    odd = {"ApproximateReceiveCount": "9" * 39, "SentTimestamp": "-1"}
    event["Records"][0]["attributes"] |= odd
    assert failed(deduplicator.process_batch(event, Handler())) == []
    outcome = deduplicator.claim("k")
    assert isinstance(outcome, AlreadyDone)
    assert outcome.record.origin.receive_count is None
    assert outcome.record.origin.sent_at_ms is None


def test_an_odd_queue_or_group_is_no_crash(deduplicator: Deduplicator) -> None:
    """A number too long to be shown as text is no ARN and no group."""
    event = batch_of("a", "b", "c")
    event["Records"][0]["eventSourceARN"] = 10**5000
    for number in (1, 2):
        event["Records"][number]["eventSourceARN"] = QUEUE_ARN + ".fifo"
        event["Records"][number]["attributes"]["MessageGroupId"] = 10**5000
    handler = Handler("b")
    assert failed(deduplicator.process_batch(event, handler)) == ["m1", "m2"]
    assert handler.keys == ["a", "b"]


def test_disabled_runs_everything_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """The kill switch: duplicates run, a missing key is no obstacle, the store is not asked."""
    store = MemoryTable()
    handler = Handler("bad")
    deduplicator = Deduplicator(store, Config(disabled=True))
    event = batch_of("k", "k", "bad")
    event["Records"].append(record("keyless", envelope(None, id="")))
    assert failed(deduplicator.process_batch(event, handler)) == ["m2"]
    assert handler.keys == ["k", "k", "bad", None]
    assert store.requests == 0
    assert "CXONE_IDEM_DISABLED" in caplog.text
    assert deduplicator.claim("k")
    assert deduplicator.claim("k")


def test_no_payload_reaches_the_log(
    deduplicator: Deduplicator, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong with a message, its content stays out of the log."""
    caplog.set_level(logging.DEBUG, "cxone_idem")
    bad = [
        '{"detail": "SECRET"',
        '["SECRET"]',
        json.dumps({"detail": {"IdempotencyKey": ["SECRET", None]}}),
        json.dumps({"detail": {"IdempotencyKey": {"SECRET": None}}}),
    ]
    event = batch(*(record(f"m{number}", body) for number, body in enumerate(bad)))
    assert len(failed(deduplicator.process_batch(event, Handler()))) == len(bad)
    assert "SECRET" not in caplog.text
