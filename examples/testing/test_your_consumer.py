"""How to test a consumer behind SQS: copy this beside it, and name your module in `CONSUMER`.

It needs pytest, and neither AWS nor time. Each test fails if the consumer forgets what it is about;
the first one if it drops its claim check.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem.testing.events import FakeContext, failed_ids, sqs_event_of
from cxone_idem.testing.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable

    Deliver = Callable[[], list[str]]

CONSUMER = "examples.sqs_lambda.handler"
"""The module with `deduplicator`, `process_event` and `handler`."""


@pytest.fixture
def rehearsal() -> Rehearsal:
    """Return a clock, a store in memory and a deduplicator on it."""
    return Rehearsal()


@pytest.fixture
def effects() -> list[Any]:
    """Return the events whose work was done, in place of the side effect itself."""
    return []


@pytest.fixture
def deliver(rehearsal: Rehearsal, effects: list[Any], monkeypatch: pytest.MonkeyPatch) -> Deliver:
    """Return what delivers one event, and returns the messages that come back."""
    with rehearsal.serving():
        consumer = importlib.import_module(CONSUMER)
    monkeypatch.setattr(consumer, "deduplicator", rehearsal.deduplicator)
    monkeypatch.setattr(consumer, "process_event", effects.append)
    return lambda: failed_ids(consumer.handler(sqs_event_of("k"), FakeContext(30_000)))


def test_a_duplicate_has_no_effect(deliver: Deliver, effects: list[Any]) -> None:
    """Delivered three times, done once."""
    for _ in range(3):
        assert deliver() == []
    assert len(effects) == 1


def test_an_event_in_progress_elsewhere_comes_back(
    deliver: Deliver, effects: list[Any], rehearsal: Rehearsal
) -> None:
    """Dropping it would lose it: the other worker dies, and this delivery gets the work."""
    rehearsal.hold_elsewhere("k")
    assert deliver() == ["m0"]
    assert not effects
    rehearsal.let_leases_lapse()
    assert deliver() == []
    assert len(effects) == 1


def test_failed_work_is_done_by_the_next_delivery(
    deliver: Deliver, effects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What raises gives its key up at once, and its message comes back."""
    with monkeypatch.context() as patch:
        patch.setattr(f"{CONSUMER}.process_event", lambda event: event["no such field"])
        assert deliver() == ["m0"]
    assert deliver() == []
    assert len(effects) == 1


def test_a_lost_answer_changes_nothing(
    deliver: Deliver, effects: list[Any], rehearsal: Rehearsal
) -> None:
    """Written, answer lost, sent again by the AWS SDK: not somebody else's claim."""
    rehearsal.store.lose_answers()
    assert deliver() == []
    assert len(effects) == 1


def test_without_an_answer_nothing_runs(
    deliver: Deliver, effects: list[Any], rehearsal: Rehearsal
) -> None:
    """A claim that nobody confirmed is none; the next delivery does the work."""
    rehearsal.store.lose_answers(retried=False)
    assert deliver() == ["m0"]
    assert not effects
    assert deliver() == []
    assert len(effects) == 1
