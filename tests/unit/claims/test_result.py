"""Results kept for duplicates: what comes back, and what becomes of what cannot be kept."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from cxone_idem import (
    AlreadyDone,
    Claimed,
    Deduplicator,
    MemoryStore,
    ResultMissingError,
    StoreError,
)
from cxone_idem.claims.result import RESULT_MAX_BYTES
from cxone_idem.record import State
from tests.support.documents import code_blocks
from tests.support.engines import MemoryTable
from tests.support.events import batch_of
from tests.support.failing_store import FailingStore


def claimed(deduplicator: Deduplicator, key: str = "k") -> Claimed:
    """Claim a key that must be free."""
    outcome = deduplicator.claim(key)
    assert isinstance(outcome, Claimed)
    return outcome


def duplicate(store: Any, key: str = "k") -> AlreadyDone:
    """Claim a key that must be done, as another process would."""
    outcome = Deduplicator(store).claim(key)
    assert isinstance(outcome, AlreadyDone)
    return outcome


class Odd(dict[str, int]):
    """A mapping whose items raise what only its author knows."""

    def items(self) -> Any:
        message = "secret-payload"
        raise LookupError(message)


def circular() -> list[Any]:
    """Return a list that holds itself."""
    ring: list[Any] = []
    ring.append(ring)
    return ring


def deep() -> list[Any]:
    """Return lists in lists, more than Python can walk down."""
    nest: list[Any] = []
    for _ in range(100_000):
        nest = [nest]
    return nest


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (object(), "it holds an object"),
        ({"when": {1, 2}}, "it holds a set"),
        ({(1, 2): 3}, "TypeError"),
        (math.nan, "ValueError"),
        ("\ud800", "UnicodeEncodeError"),
        (circular(), "ValueError"),
        (deep(), "RecursionError"),
        (Odd(a=1), "LookupError"),
        ("x" * (RESULT_MAX_BYTES - 1), "more than 262144"),
        ("é" * (RESULT_MAX_BYTES // 2), "more than 262144"),
    ],
    ids=["object", "set", "key", "nan", "surrogate", "ring", "deep", "odd", "long", "wide"],
)
def test_what_cannot_be_kept_leaves_no_work_unrecorded(
    result: object, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The work is done, so it is recorded; that its result is not is an error in the log."""
    store = MemoryStore()
    claimed(Deduplicator(store)).complete(result=result)
    (logged,) = caplog.records
    assert logged.levelno == logging.ERROR
    assert why in logged.getMessage()
    assert "without its result" in logged.getMessage()
    assert "secret" not in logged.getMessage()
    with pytest.raises(ResultMissingError):
        _ = duplicate(store).result


def test_a_completion_made_up_for_later_keeps_its_result() -> None:
    """While the store is away this process knows the result; afterwards everybody does."""
    store = FailingStore(MemoryStore())
    deduplicator = Deduplicator(store)
    store.fails = State.DONE
    with pytest.raises(StoreError):
        claimed(deduplicator).complete(result=["made"])
    known = deduplicator.claim("k")
    assert isinstance(known, AlreadyDone)
    assert known.result == ["made"]
    store.fails = None
    deduplicator.claim("another")
    assert duplicate(store).result == ["made"]


def test_a_completion_after_a_lost_heartbeat_keeps_its_result() -> None:
    """The refused completion is written again over the heartbeat, with all that it says."""
    store = FailingStore(MemoryStore())
    claim = claimed(Deduplicator(store))
    store.fails, store.executes = State.IN_PROGRESS, True
    with pytest.raises(StoreError):
        claim.extend()
    store.fails = None
    claim.complete(result="made")
    assert duplicate(store).result == "made"


def test_a_result_that_came_too_late_is_said_to_be_lost(caplog: pytest.LogCaptureFixture) -> None:
    """An earlier completion without a result had landed: the later one's is not stored."""
    store = FailingStore(MemoryStore())
    claim = claimed(Deduplicator(store))
    store.fails, store.executes = State.DONE, True
    with pytest.raises(StoreError):
        claim.complete()
    store.fails = None
    claim.complete(result="late")
    assert "without this result" in caplog.text
    assert duplicate(store).record.result is None


def test_long_results_are_not_kept_in_memory() -> None:
    """The memory of done keys stays small: a key with a long result is asked for again."""
    table = MemoryTable()
    deduplicator = Deduplicator(table.store())
    for result, requests in (("x", 0), ("x" * 10_000, 1)):
        key = f"of length {len(result)}"
        claimed(deduplicator, key).complete(result=result)
        before = table.requests
        found = deduplicator.claim(key)
        assert isinstance(found, AlreadyDone)
        assert found.result == result
        assert table.requests - before == requests


def test_a_batch_stores_no_results() -> None:
    """What a handler returns to the SQS adapter goes nowhere."""
    store = MemoryStore()
    Deduplicator(store).process_batch(batch_of("k"), lambda _: "returned")
    assert duplicate(store).record.result is None


def test_a_result_somebody_else_wrote_is_not_guessed_at() -> None:
    """Text that is no JSON is no result."""
    store = MemoryStore()
    claimed(Deduplicator(store)).complete(result=1)
    done = duplicate(store)
    object.__setattr__(done.record, "result", "{")
    with pytest.raises(ResultMissingError):
        _ = done.result


def test_the_readmes_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round stores, the second is given what the first had."""
    deduplicator = Deduplicator(MemoryStore())
    monkeypatch.setattr("cxone_idem.deduplicator._process.default", deduplicator)
    names: dict[str, Any] = {}
    (block,) = code_blocks("Results for duplicates")
    exec(block, names)  # noqa: S102 -- README's own code
    assert isinstance(names["outcome"], AlreadyDone)
    assert names["price"] == {"euro": 12.5}
