"""The examples, run as their reader would run them."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Claimed, Deduplicator, InProgressError, MemoryStore
from tests.sqs_events import Context, batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def deduplicator(monkeypatch: pytest.MonkeyPatch) -> Deduplicator:
    """Return what `from_environ` gives to an example imported in this test."""
    in_memory = Deduplicator(MemoryStore())
    monkeypatch.setattr(Deduplicator, "from_environ", lambda: in_memory)
    return in_memory


@pytest.fixture
def sqs_lambda(deduplicator: Deduplicator) -> Iterator[ModuleType]:
    """Return the SQS example, initialised as Lambda does it: on import."""
    yield from _initialised("examples.sqs_lambda.handler", deduplicator)


@pytest.fixture
def eventbridge_direct(deduplicator: Deduplicator) -> Iterator[ModuleType]:
    """Return the example without a queue, initialised as Lambda does it: on import."""
    yield from _initialised("examples.eventbridge_direct", deduplicator)


def _initialised(name: str, deduplicator: Deduplicator) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    assert module.deduplicator is deduplicator
    yield module
    del sys.modules[name]


def _broken(_: dict[str, Any]) -> None:
    message = "the downstream API is down"
    raise RuntimeError(message)


def test_the_naive_handler_loses_the_race_and_its_replacement_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two deliveries at once: two effects before, one after, and the duplicate is not lost."""
    runpy.run_path(str(ROOT / "examples" / "naive_to_idempotent.py"), run_name="__main__")
    before, after = capsys.readouterr().out.splitlines()
    assert before == "before: process_event ran 2 x; deliveries: Processed, Processed"
    assert after == (
        "after : process_event ran 1 x; deliveries: Processed,"
        " InProgressError (its queue brings it back), Duplicate"
    )


def test_the_sqs_example_processes_each_event_once(
    sqs_lambda: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A duplicate is deleted without an effect, in the same batch and in a later one."""
    for event in (batch_of("k1", "k1", "k2"), batch_of("k2")):
        assert sqs_lambda.handler(event, Context(30_000)) == {"batchItemFailures": []}
    assert capsys.readouterr().out.splitlines() == [
        "conversation.start: processed event event-of-k1",
        "conversation.start: processed event event-of-k2",
    ]


def test_the_sqs_example_returns_what_must_come_back(
    sqs_lambda: ModuleType, deduplicator: Deduplicator, capsys: pytest.CaptureFixture[str]
) -> None:
    """In progress elsewhere and no key at all: both stay in the queue, the rest is done."""
    deduplicator.claim("busy")
    event = batch(
        record("m0", envelope("busy")),
        record("m1", envelope(None, id="")),
        record("m2", envelope("free")),
    )
    assert failed(sqs_lambda.handler(event, Context(30_000))) == ["m0", "m1"]
    assert capsys.readouterr().out == "conversation.start: processed event event-of-free\n"


def test_the_direct_example_drops_a_duplicate(
    eventbridge_direct: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second delivery of a done event has no effect and succeeds."""
    for _ in range(2):
        eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert capsys.readouterr().out == "conversation.start: processed event event-of-k\n"


def test_the_direct_example_can_try_again_at_once_after_a_failure(
    eventbridge_direct: ModuleType,
    deduplicator: Deduplicator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A failure is raised to Lambda and gives the key up: the next try does the work."""
    with monkeypatch.context() as patch:
        patch.setattr(eventbridge_direct, "process_event", _broken)
        with pytest.raises(RuntimeError, match="downstream API"):
            eventbridge_direct.handler(envelope("k"), Context(30_000))
    eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert capsys.readouterr().out == "conversation.start: processed event event-of-k\n"
    done = deduplicator.claim("k")
    assert not isinstance(done, Claimed)
    assert done.record.generation == 2


def test_the_direct_example_fails_while_another_worker_is_at_it(
    eventbridge_direct: ModuleType, deduplicator: Deduplicator, capsys: pytest.CaptureFixture[str]
) -> None:
    """In progress elsewhere is an error to Lambda, whose next try then finds the work to do."""
    elsewhere = deduplicator.claim("k")
    assert elsewhere
    with pytest.raises(InProgressError):
        eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert not capsys.readouterr().out
    elsewhere.release()
    eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert capsys.readouterr().out == "conversation.start: processed event event-of-k\n"
