"""The time an invocation has left: asked for before work starts, and a warning without it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from cxone_idem import Deduplicator, MemoryStore, MessageStatus, once
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from cxone_idem.claims.invocation import warn_of_no_context
from cxone_idem.record import State
from cxone_idem.sqs.consumer import Service
from tests.support.awaited import awaited
from tests.support.events import Context, batch, batch_of, envelope, failed, record
from tests.support.refusing_store import RefusingStore
from tests.unit.sqs.test_outcome import Event, fails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cxone_idem import Outcome
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record


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
def test_on_lambda_a_missing_context_is_logged_once(
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
        (remaining(None), "returned None"),
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
