"""The short soak: what a process holds does not grow with the claims it has made."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

from cxone_idem import Deduplicator
from cxone_idem.claims.registry import ClaimRegistry
from tests.conftest import needing
from tests.verification.soak import (
    CONFIG,
    WORKERS,
    SweptStore,
    holding,
    settle_and_sweep,
    settle_batches,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.support.clocks import MovableClock

# A leaked claim is about 1,000 bytes; caches and free lists of Python's own breathe by this much.
BREATH_BYTES = 64 * 1024
# Counted in blocks, some 20 a claim: tracemalloc makes the AWS SDK ten times slower.
BREATH_BLOCKS = 3_000
# The memory of done keys holds a thousand; only what grows after that is a leak.
WARM = 1_100


def growth_bytes(work: Callable[[range], object], warm: range, measured: range) -> int:
    """Return by how many bytes more is held after the measured part of some work."""

    def held_bytes() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        work(warm)
        before = held_bytes()
        work(measured)
        return held_bytes() - before
    finally:
        tracemalloc.stop()


def settling() -> Callable[[range], int]:
    """Return the settling of keys by one deduplicator."""
    store = SweptStore()
    deduplicator = Deduplicator(store, CONFIG)
    return lambda numbers: settle_and_sweep(deduplicator, store, numbers)


def test_settled_claims_leave_nothing_behind() -> None:
    """10,000 keys, each claimed and settled by every verb: memory and threads as before."""
    threads = threading.active_count()
    assert growth_bytes(settling(), range(WARM), range(WARM, WARM + 10_000)) < BREATH_BYTES
    assert threading.active_count() == threads


def test_a_leak_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a deduplicator that keeps settled claims fails the same measurement."""
    monkeypatch.setattr(ClaimRegistry, "drop", lambda *_: None)
    assert growth_bytes(settling(), range(WARM), range(WARM, WARM + 1_000)) > BREATH_BYTES


def test_abandoned_claims_are_forgotten(clock: MovableClock) -> None:
    """Claims that are never settled are held for one retention, and not for ever."""
    store = SweptStore()
    deduplicator = Deduplicator(store, CONFIG, now=clock)

    def abandon(rounds: range) -> None:
        for turn in rounds:
            for number in range(500):
                deduplicator.claim(f"key-{turn}-{number}")
            clock.advance(2 * CONFIG.retention_seconds)
            store.sweep()

    assert growth_bytes(abandon, range(2), range(2, 12)) < BREATH_BYTES


def test_batches_on_an_engine_leave_nothing_behind(table: Any) -> None:
    """500 keys in SQS batches on threads: no memory, no thread and no connection left over."""
    deduplicator = Deduplicator(needing(table, "processes").store(), CONFIG)
    settle_batches(deduplicator, range(WARM))
    before = holding(WARM, 0)
    settle_batches(deduplicator, range(WARM, WARM + 500))
    after = holding(WARM + 500, 0)
    assert after.blocks - before.blocks < BREATH_BLOCKS
    assert after.threads == before.threads
    # The pool opens a connection when a worker needs one, and keeps it.
    assert after.files <= before.files + WORKERS
