"""Peak memory of one process_batch call, by the size of its batch."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from tests.bench.batches import fresh_keys
from tests.support.events import batch_of

if TYPE_CHECKING:
    from tests.bench.contender import CxoneIdem
    from tests.bench.report import Report

_SIZES = (1_000, 10_000)


def measure(report: Report, us: CxoneIdem) -> None:
    """Fill in the memory rows; what holds the event itself is not counted."""
    us.deliver(batch_of(*fresh_keys()), bool)
    peaks = {}
    for size in _SIZES:
        event = batch_of(*fresh_keys(size))
        us.restart()
        tracemalloc.start()
        us.deliver(event, bool)
        peaks[size] = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        report.add("memory", f"batch of {size:,}: peak beside the event", peaks[size], "MB")
    small, large = _SIZES
    per_event = peaks[large] / peaks[small] / (large / small)
    report.add("memory", "an event's share, batch of 10,000 / of 1,000", per_event, "x", 1.05)
