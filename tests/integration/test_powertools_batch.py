"""Inside Powertools' BatchProcessor: the example, and the processor's habits that it changes."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
)
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from cxone_idem.testing.events import (
    FakeContext,
    eventbridge_event,
    failed_ids,
    sqs_event,
    sqs_event_of,
    sqs_record,
)
from cxone_idem.testing.rehearsal import Rehearsal
from tests.support.documents import code_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture(autouse=True)
def _logger_restored() -> Iterator[None]:
    """Undo what Powertools does to the library's logger for as long as the process lasts."""
    logger = logging.getLogger("cxone_idem")
    before = [*logger.handlers], logger.level, logger.propagate
    yield
    logger.handlers, level, logger.propagate = before
    logger.setLevel(level)


@pytest.fixture
def rehearsal() -> Rehearsal:
    """Return a clock, a store in memory and a deduplicator on it."""
    return Rehearsal()


@pytest.fixture
def example(rehearsal: Rehearsal) -> Iterator[ModuleType]:
    """Return the example, initialised as Lambda does it: on import."""
    with rehearsal.serving():
        yield importlib.import_module("examples.migration.powertools_batch")
    del sys.modules["examples.migration.powertools_batch"]


@pytest.fixture
def effects(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the conversations whose work was done; those named `bad` fail."""
    done: list[str] = []

    def process_event(event: Any) -> None:
        if event.detail["IdempotencyKey"].startswith("bad"):
            raise RuntimeError
        done.append(event.detail["IdempotencyKey"])

    monkeypatch.setattr(example, "process_event", process_event)
    return done


def in_groups(*keys: str) -> dict[str, Any]:
    """Return a FIFO batch; a key's last letter names its group."""
    return sqs_event(
        *(sqs_record(key, eventbridge_event(key), group=key[-1], fifo=True) for key in keys)
    )


def test_each_event_is_processed_once(example: ModuleType, effects: list[str]) -> None:
    """A duplicate in the same batch or a later one is deleted without an effect."""
    for _ in range(2):
        response = example.handler(sqs_event_of("k1", "k1", "k2"), FakeContext())
        assert failed_ids(response) == []
    assert effects == ["k1", "k2"]


def test_what_fails_comes_back_and_is_free(example: ModuleType, effects: list[str]) -> None:
    """A handler that raises, a body without a key: reported; the neighbours go on."""
    event = sqs_event(
        sqs_record("m0", eventbridge_event("bad")),
        sqs_record("m1", eventbridge_event(None, id="")),
        sqs_record("m2", "not json"),
        sqs_record("m3", eventbridge_event("good")),
    )
    assert failed_ids(example.handler(event, FakeContext())) == ["m0", "m1", "m2"]
    assert effects == ["good"]
    claim = example.deduplicator.claim("bad")
    assert claim
    assert claim.generation == 2


def test_in_progress_elsewhere_is_no_alarm(
    example: ModuleType, effects: list[str], rehearsal: Rehearsal
) -> None:
    """Alone in its batch it is reported and not raised, and done once the other worker died."""
    rehearsal.hold_elsewhere("k")
    assert failed_ids(example.handler(sqs_event_of("k"), FakeContext())) == ["m0"]
    rehearsal.let_leases_lapse()
    assert failed_ids(example.handler(sqs_event_of("k"), FakeContext())) == []
    assert effects == ["k"]


def test_a_lease_ends_with_the_invocation(
    example: ModuleType, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context that the processor passes on reaches the claim."""
    monkeypatch.setattr(example, "process_event", lambda _: None)
    example.handler(sqs_event_of("k"), FakeContext(20_000))
    lease_ms = rehearsal.store.leases_until_ms - rehearsal.clock() * 1000
    assert lease_ms == 20_000 + 1_000 + 3_000


def test_a_groups_failure_stops_its_own_group(example: ModuleType, effects: list[str]) -> None:
    """Order is kept within a group, and other groups go on."""
    event = in_groups("bad-a", "1-b", "2-a", "2-b")
    assert failed_ids(example.handler(event, FakeContext())) == ["bad-a", "2-a"]
    assert effects == ["1-b", "2-b"]
    assert failed_ids(example.handler(in_groups("bad-a"), FakeContext())) == ["bad-a"]


def test_the_habits_that_the_example_changes_are_there(
    example: ModuleType, effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the processors as they come, a batch of one raises, and one failure fails all groups."""
    monkeypatch.setattr(example, "standard", BatchProcessor(event_type=EventType.SQS))
    with pytest.raises(BatchProcessingError):
        example.handler(sqs_event_of("bad"), FakeContext())
    monkeypatch.setattr(example, "fifo", SqsFifoPartialProcessor())
    event = in_groups("1-c", "bad-a", "1-b")
    assert failed_ids(example.handler(event, FakeContext())) == ["bad-a", "1-b"]
    assert effects == ["1-c"]
    with pytest.raises(BatchProcessingError):
        example.handler(in_groups("bad-a"), FakeContext())


def test_its_logger_knows_the_invocation(
    example: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One JSON line for the event, one for its duplicate, both with the request id; no payload."""
    monkeypatch.setattr(example.logger.handlers[0], "stream", sys.stdout)
    example.handler(sqs_event_of("k", "k"), FakeContext())
    line, duplicate = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert line["message"] == "starting"
    assert line["conversation_id"] == "conv-123"
    assert duplicate["cxone_idem"]["status"] == "already_done"
    assert [line["function_request_id"], duplicate["function_request_id"]] == ["request-1"] * 2


def test_readmes_handler_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of BatchProcessor, with the event classes: two deliveries, one effect."""
    (block,) = code_blocks("Beside Powertools")
    names: dict[str, Any] = {}
    with Rehearsal().serving():
        exec(block, names)  # noqa: S102 -- README's own code
    monkeypatch.setattr(names["logger"].handlers[0], "stream", sys.stdout)
    for _ in range(2):
        response = names["handler"](sqs_event_of("k"), FakeContext())
        assert response == {"batchItemFailures": []}
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "conv-123" in text]
    assert json.loads(line)["function_request_id"] == "request-1"
