"""The soak: claims without end in one process, whose memory, threads and files must stay as few.

`python -m tests.verification.soak` runs the long form and prints what the process holds (Linux);
test_soak.py runs the short one.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem import Config, Deduplicator, InProgressError, MemoryStore
from tests.support.engines import MISSING, is_missing, running, use_stand_in_credentials
from tests.support.events import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

# Each ten keys take 13 claims in memory: one is claimed again, one refused, one a duplicate.
MEMORY_KEYS, DYNAMODB_KEYS = 800_000, 50_000
INTERVALS = 10
WORKERS = 4
SWEEP_KEYS = 1_000
CONFIG = Config(retention_seconds=3600)

# A leaked claim takes about 1,000 bytes in 20 blocks: a thousandth of a run's would show.
BLOCKS_GROWTH_MAX = 2_000
RSS_GROWTH_MAX_KB = 4_096


class SweptStore:
    """A `MemoryStore` that can be emptied.

    It keeps every record for ever, by contract. The soak is of the deduplicator: what it holds
    itself must not grow with the number of different keys it has ever claimed.
    """

    def __init__(self) -> None:
        self._memory = MemoryStore()

    def sweep(self) -> None:
        self._memory = MemoryStore()

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        return self._memory.put_if(record, expected_version)


class Holding(NamedTuple):
    """What this process holds at one moment, garbage collected."""

    claims: int
    seconds: float
    rss_kb: int
    blocks: int
    threads: int
    files: int


def holding(claims: int, seconds: float) -> Holding:
    """Count what this process holds now; the blocks are those Python's allocator has given out."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Holding(
        claims,
        seconds,
        pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        sys.getallocatedblocks(),
        threading.active_count(),
        len(list(Path("/proc/self/fd").iterdir())),
    )


def settle(deduplicator: Deduplicator, numbers: range) -> int:
    """Claim and complete a key for each number, with every other verb and outcome in between.

    Return how many claims that took.
    """
    for number in numbers:
        key = f"key-{number}"
        if number % 10 == 0:
            deduplicator.claim(key)
            deduplicator.release(key)
        claim = deduplicator.claim(key)
        assert claim
        if number % 10 == 1:
            _expect_in_progress(deduplicator, key)
            claim.extend()
        claim.complete()
        assert number % 10 != 2 or not deduplicator.claim(key)
    return len(numbers) * 13 // 10


def settle_and_sweep(deduplicator: Deduplicator, store: SweptStore, numbers: range) -> int:
    """Settle keys, and empty the store so often that its own size does not hide a leak."""
    claims = 0
    for first in range(numbers.start, numbers.stop, SWEEP_KEYS):
        claims += settle(deduplicator, range(first, min(first + SWEEP_KEYS, numbers.stop)))
        store.sweep()
    return claims


def settle_batches(deduplicator: Deduplicator, numbers: range) -> int:
    """Run an SQS batch of ten different keys for each ten numbers, on several threads at once.

    Return how many claims that took.
    """

    def run(first: int) -> None:
        event = batch_of(*(f"key-{number}" for number in range(first, first + 10)), f"key-{first}")
        ran: list[Any] = []
        assert deduplicator.process_batch(event, ran.append) == {"batchItemFailures": []}
        assert len(ran) == 10

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(run, range(numbers.start, numbers.stop, 10)))
    return len(numbers)


def _expect_in_progress(deduplicator: Deduplicator, key: str) -> None:
    try:
        deduplicator.claim(key)
    except InProgressError:
        return
    raise AssertionError(key)


def soak(title: str, keys: int, work: Callable[[range], int]) -> bool:
    """Settle `keys` in intervals, print what is held after each, and tell if it is flat."""
    _report(
        f"\n{title}\n{'claims':>10}{'s':>7}{'RSS kB':>10}{'blocks':>10}{'threads':>9}{'files':>7}"
    )
    held: list[Holding] = []
    claims, started, size = 0, time.monotonic(), keys // INTERVALS
    for first in range(0, keys, size):
        claims += work(range(first, first + size))
        now = holding(claims, time.monotonic() - started)
        _report(
            f"{now.claims:>10,}{now.seconds:>7.1f}{now.rss_kb:>10,}{now.blocks:>10,}"
            f"{now.threads:>9}{now.files:>7}"
        )
        held.append(now)
    # The first interval loads and fills caches; every later one has to find its room in that.
    base, end = held[0], held[-1]
    return (
        end.blocks - base.blocks <= BLOCKS_GROWTH_MAX
        and end.rss_kb - base.rss_kb <= RSS_GROWTH_MAX_KB
        and end.threads == base.threads
        and end.files <= base.files + WORKERS
    )


def _report(line: str) -> None:
    print(line, flush=True)  # noqa: T201 -- what the long form is run for


def main() -> int:
    """Run the long form; return the exit code."""
    use_stand_in_credentials()
    store = SweptStore()
    in_memory = Deduplicator(store, CONFIG)
    flat = soak(
        f"MemoryStore, emptied after each {SWEEP_KEYS:,} keys",
        MEMORY_KEYS,
        lambda numbers: settle_and_sweep(in_memory, store, numbers),
    )
    if is_missing("dynamodb-local"):
        _report(f"\nDynamoDB Local skipped: {MISSING['dynamodb-local']}")
    else:
        with running("dynamodb-local") as new_table:
            on_dynamodb = Deduplicator(new_table().store(), CONFIG)
            title = f"DynamoDB Local, SQS batches of 11 on {WORKERS} threads"
            flat &= soak(title, DYNAMODB_KEYS, lambda n: settle_batches(on_dynamodb, n))
    _report("\nflat" if flat else "\nNOT FLAT: something is held that should be let go")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
