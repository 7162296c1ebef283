"""Said where it is seen: no time, no context, nothing that retrying could help, no SQS event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from cxone_idem import Config, Deduplicator, IdemError, MemoryStore, MessageStatus, StoreError, once
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from cxone_idem.claims.invocation import warn_of_no_context
from cxone_idem.record import State
from cxone_idem.sqs.consumer import Service
from tests.awaited import awaited
from tests.sqs_events import Context, batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cxone_idem import Outcome
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

Event = dict[str, Any]


class RefusingStore(MemoryStore):
    """Refuses every claim but those of some keys."""

    def __init__(self, *, retryable: bool, takes: str = "") -> None:
        super().__init__()
        self._retryable = retryable
        self._takes = takes

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if record.state is State.IN_PROGRESS and record.partition_key not in self._takes:
            problem = "there is no such table; retrying does not help"
            raise StoreError(problem, "t", "PutItem", retryable=self._retryable)
        return super().put_if(record, expected_version)


def fails(_: Event) -> None:
    """Fail."""
    raise RuntimeError


def test_what_no_retry_can_help_is_raised_once_all_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Lambda's Errors metric sees it; outcomes were logged and looked at before."""
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(RefusingStore(retryable=False), on_outcome=outcomes.append)
    with pytest.raises(StoreError, match="no such table"):
        deduplicator.process_batch(batch_of("a", "b"), fails)
    assert [outcome.status for outcome in outcomes] == [MessageStatus.STORE_FAILED] * 2
    assert caplog.text.count("was not claimed") == 2
    with pytest.raises(StoreError, match="no such table"):
        awaited(AsyncDeduplicator(deduplicator).process_batch, batch_of("a", "b"), fails)


@pytest.mark.parametrize(
    "event",
    [
        batch(*(record(key, envelope(key), group="g", fifo=True) for key in "ab")),
        batch(record("a", envelope("a")), record("b", "no json")),
        batch_of("a", "a"),
    ],
    ids=["behind-it-in-a-group", "beside-no-key", "the-same-key"],
)
def test_what_says_nothing_of_the_store_hides_nothing(event: Event) -> None:
    """A message that stands behind, or has no key, does not silence the alarm."""
    with pytest.raises(StoreError):
        Deduplicator(RefusingStore(retryable=False)).process_batch(event, fails)


@pytest.mark.parametrize(
    ("store", "event"),
    [
        (RefusingStore(retryable=True), batch_of("a", "b")),
        (RefusingStore(retryable=False, takes="a"), batch_of("a", "b")),
        (MemoryStore(), batch_of("a", "b")),
        (MemoryStore(), batch(record("a", "no json"))),
        (MemoryStore(), batch()),
    ],
    ids=["retrying helps", "one began", "handlers fail", "no keys", "empty"],
)
def test_anything_else_is_answered(store: MemoryStore, event: Event) -> None:
    """Also if a handler's own store error reads the same."""

    def handler(_: Event) -> None:
        problem = "no table of mine"
        raise StoreError(problem, "t", "PutItem", retryable=False)

    response = Deduplicator(store).process_batch(event, handler)
    assert len(failed(response)) == len(event["Records"])


def test_contention_is_never_raised() -> None:
    """Whatever else fails for good beside it."""
    store = RefusingStore(retryable=False, takes="a")
    assert Deduplicator(store).claim("a")
    assert len(failed(Deduplicator(store).process_batch(batch_of("a", "b"), fails))) == 2


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said at WARNING, Lambda's default level."""
    return [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]


@pytest.mark.parametrize("fifo", [False, True])
def test_a_batch_without_time_says_so_once(
    caplog: pytest.LogCaptureFixture,
    fifo: bool,  # noqa: FBT001
) -> None:
    """How many messages, the milliseconds left, the setting."""
    context = Context(5000)

    def slow(_: Event) -> None:
        context.remaining_ms = 900

    event = batch(*(record(key, envelope(key), group="g", fifo=fifo) for key in "abc"))
    assert failed(Deduplicator(MemoryStore()).process_batch(event, slow, context=context)) == [
        "b",
        "c",
    ]
    (line,) = warnings(caplog)
    assert line.startswith(
        "cxone_idem: 2 of 3 messages were not started, as 900 ms of the invocation were left"
    )
    assert "CXONE_IDEM_MIN_REMAINING_SECONDS is 1" in line


def test_a_service_that_is_stopped_has_no_lack_of_time(caplog: pytest.LogCaptureFixture) -> None:
    """Its messages go back at once: nothing to warn of."""
    service = Service()
    service.stop()
    Deduplicator(MemoryStore()).batches.settle(batch_of("a"), fails, service)
    assert not warnings(caplog)


class SlowStore(MemoryStore):
    """The answer to the second claim that is granted takes nearly all the time there is."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._granted = 0

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        answer = super().put_if(record, expected_version)
        if record.state is State.IN_PROGRESS and answer.written:
            self._granted += 1
            if self._granted == 2:
                self._context.remaining_ms = 147
        return answer


@pytest.mark.parametrize("max_workers", [1, 2])
@pytest.mark.parametrize("keys", [["a"], ["a", "a"]], ids=["needs a second request", "same key"])
def test_time_is_asked_for_last_of_all(keys: list[str], max_workers: int) -> None:
    """A claim whose answer took the time is given back, and was no attempt."""
    context = Context(5000)
    store = SlowStore(context)
    if keys == ["a"]:  # its first write finds what is there, its second one takes it over
        first = Deduplicator(store).claim("a")
        assert first
        first.release()
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(store, on_outcome=outcomes.append)
    response = deduplicator.process_batch(
        batch_of(*keys), fails, context=context, max_workers=max_workers
    )
    assert len(failed(response)) == len(keys)
    assert outcomes[-1].status is MessageStatus.NO_TIME
    claim = Deduplicator(store).claim("a")
    assert claim
    assert claim.generation == 2


@pytest.fixture
def _on_lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "cxone-events")
    warn_of_no_context.cache_clear()
    yield
    warn_of_no_context.cache_clear()


def call_once(deduplicator: Deduplicator, context: Any) -> None:
    """Call an `@once` function, with a context or without one."""

    @once(deduplicator=deduplicator)
    def handler(event: Event, context: Any) -> None: ...

    handler(envelope("k"), context)


ENTRIES: dict[str, Callable[[Deduplicator, Any], object]] = {
    "process_batch": lambda one, context: one.process_batch(batch_of("k"), print, context=context),
    "claim": lambda one, context: one.claim("k", context=context),
    "once": call_once,
    "aio claim": lambda one, context: awaited(AsyncDeduplicator(one).claim, "k", context=context),
    "aio process_batch": lambda one, context: awaited(
        AsyncDeduplicator(one).process_batch, batch_of("k"), print, context=context
    ),
}


@pytest.mark.usefixtures("_on_lambda")
@pytest.mark.parametrize("entry", ENTRIES)
def test_on_lambda_a_missing_context_is_told_once(
    entry: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Leases and the deadline guard then rest on the setting alone."""
    ENTRIES[entry](Deduplicator(MemoryStore()), Context(30_000))
    assert not warnings(caplog)
    for _ in range(2):
        ENTRIES[entry](Deduplicator(MemoryStore()), None)
    (line,) = warnings(caplog)
    assert "no Lambda context was passed" in line


@pytest.mark.parametrize("entry", ENTRIES)
def test_elsewhere_no_context_is_as_it_should_be(
    entry: str, caplog: pytest.LogCaptureFixture
) -> None:
    """There is none."""
    ENTRIES[entry](Deduplicator(MemoryStore()), None)
    assert not warnings(caplog)


def remaining(value: Any) -> MagicMock:
    """Return a mocked context that says `value` of its time."""
    context = MagicMock()
    context.get_remaining_time_in_millis.return_value = value
    return context


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("context", "says"),
    [
        (MagicMock(), "returned a MagicMock"),
        (remaining(None), "a NoneType"),
        (remaining("30000"), "a str"),
        (remaining(True), "a bool"),  # noqa: FBT003
        (remaining(float("nan")), "nan"),
        (remaining(float("inf")), "inf"),
    ],
    ids=["mock", "None", "text", "bool", "nan", "inf"],
)
def test_a_context_that_tells_no_time_is_named(entry: str, context: Any, says: str) -> None:
    """Before anything is claimed, with the way out."""
    store = RefusingStore(retryable=True)
    with pytest.raises(TypeError, match=rf"{says}.*cxone_idem\.testing\.FakeContext"):
        ENTRIES[entry](Deduplicator(store), context)


@pytest.mark.parametrize("left_ms", [-5, 0, -0.5])
def test_no_time_left_is_no_time(left_ms: float) -> None:
    """A deadline that is past starts nothing, and is no error."""
    response = Deduplicator(MemoryStore()).process_batch(
        batch_of("k"), fails, context=remaining(left_ms)
    )
    assert failed(response) == ["m0"]


def test_what_eventbridge_pipes_sends_is_a_batch() -> None:
    """A bare list of the same records, and the same answer."""
    ran: list[Event] = []

    def handler(event: Event) -> None:
        ran.append(event)
        if event["detail"]["IdempotencyKey"] == "b":
            raise RuntimeError

    event = batch_of("a", "b")["Records"]
    assert Deduplicator(MemoryStore()).process_batch(event, handler) == {
        "batchItemFailures": [{"itemIdentifier": "m1"}]
    }
    assert len(ran) == 2


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}, "aws:sns.*subscribe an SQS queue"),
        ([{"EventSource": "aws:sns", "Sns": {}}], r"event\[0\].*aws:sns.*subscribe an SQS queue"),
        ([{"eventSource": "aws:kinesis"}], "aws:kinesis.*serves SQS only"),
        ([envelope("k")], r"event\[0\] has no messageId"),
        (["text"], r"event\[0\] is not an SQS message but a str"),
        ([], "got a list"),
    ],
)
def test_what_is_no_batch_gets_its_own_advice(event: Any, says: str) -> None:
    """SNS spells its field in its own way."""
    with pytest.raises(IdemError, match=says):
        Deduplicator(MemoryStore()).process_batch(event, fails)


def test_every_line_begins_with_what_says_it(caplog: pytest.LogCaptureFixture) -> None:
    """Lambda's text format drops the logger's name, and shows WARNING and above."""
    caplog.set_level(logging.DEBUG, "cxone_idem")
    deduplicator = Deduplicator(MemoryStore(), Config(disabled=True))
    deduplicator.process_batch(batch_of("a"), lambda _: None)
    worker = Deduplicator(MemoryStore())
    for _ in range(2):
        worker.process_batch(batch_of("a", "b"), lambda _: None)
    worker.process_batch(batch(record("m", "no json")), lambda _: None)
    lines = [entry.getMessage() for entry in caplog.records if entry.name == "cxone_idem"]
    assert len(lines) > 6
    assert all(line.startswith("cxone_idem: ") for line in lines)
