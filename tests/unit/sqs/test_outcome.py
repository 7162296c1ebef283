"""Errors that no retry can help are raised, after every outcome; all else is answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, MemoryStore, MessageStatus, StoreError
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from tests.support.awaited import awaited
from tests.support.events import batch, batch_of, envelope, failed, record
from tests.support.refusing_store import RefusingStore

if TYPE_CHECKING:
    from cxone_idem import Outcome

Event = dict[str, Any]


def fails(_: Event) -> None:
    """Fail."""
    raise RuntimeError


def test_what_no_retry_can_help_is_raised_once_all_is_reported(
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
    """A message that is behind, or has no key, does not silence the alarm."""
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
def test_any_other_failure_is_answered(store: MemoryStore, event: Event) -> None:
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
