"""How to test your consumer: copy this beside it. It needs pytest, and neither AWS nor time.

Each test fails if the consumer forgets what it is about; the first one if it drops its claim check.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import InProgressError, StoreError
from cxone_idem.testing.events import FakeContext, eventbridge_event
from cxone_idem.testing.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable

    Deliver = Callable[[], None]


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
    """Return what delivers one and the same event to the consumer."""
    with rehearsal.serving():
        consumer = importlib.import_module("examples.eventbridge_direct.handler")
    monkeypatch.setattr(consumer, "deduplicator", rehearsal.deduplicator)
    monkeypatch.setattr(consumer, "process_event", effects.append)
    return lambda: consumer.handler(eventbridge_event("k"), FakeContext(30_000))


def test_a_duplicate_has_no_effect(deliver: Deliver, effects: list[Any]) -> None:
    """Delivered three times, done once."""
    for _ in range(3):
        deliver()
    assert len(effects) == 1


def test_an_event_in_progress_elsewhere_comes_back(
    deliver: Deliver, effects: list[Any], rehearsal: Rehearsal
) -> None:
    """Dropping it would lose it: the other worker dies, and this delivery gets the work."""
    rehearsal.hold_elsewhere("k")
    with pytest.raises(InProgressError):
        deliver()
    assert not effects
    rehearsal.let_leases_lapse()
    deliver()
    assert len(effects) == 1


def test_failed_work_is_done_by_the_next_delivery(
    deliver: Deliver, effects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What raises gives its key up at once."""
    consumer = importlib.import_module("examples.eventbridge_direct.handler")
    with monkeypatch.context() as patch:
        patch.setattr(consumer, "process_event", lambda event: event["no such field"])
        with pytest.raises(KeyError):
            deliver()
    deliver()
    assert len(effects) == 1


def test_a_lost_answer_changes_nothing(
    deliver: Deliver, effects: list[Any], rehearsal: Rehearsal
) -> None:
    """Written, answer lost, sent again by the AWS SDK: not somebody else's claim."""
    rehearsal.store.lose_answers()
    deliver()
    assert len(effects) == 1


def test_without_an_answer_nothing_runs(
    deliver: Deliver, effects: list[Any], rehearsal: Rehearsal
) -> None:
    """A claim that nobody confirmed is none; the next delivery does the work."""
    rehearsal.store.lose_answers(retried=False)
    with pytest.raises(StoreError):
        deliver()
    assert not effects
    deliver()
    assert len(effects) == 1
