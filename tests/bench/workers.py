"""Many messages, ten threads: how far from the handlers' own time, divided by ten."""

from __future__ import annotations

import time

from tests.bench.contender import FEWEST, TWO_CALLS, US, made
from tests.bench.report import Report
from tests.bench.scale import NewTable, Scale
from tests.bench.timing import delivery, interleaved
from tests.bench.wire import table_behind

WALL = "10 workers, 10 ms handlers, wall over ideal (ms)"


def measure(report: Report, scale: Scale, new_table: NewTable) -> None:
    """Fill in the wall of one large batch; A and B get as many threads, Powertools has none."""
    ideal_seconds = scale.messages * 0.01 / 10
    for trip_ms in scale.trips_ms:
        with table_behind(new_table, trip_ms) as table:
            contenders = made(table, (US, TWO_CALLS, FEWEST), max_workers=10)
            ways = {n: delivery(c, scale.messages, 10) for n, c in contenders.items()}
            ways["ideal"] = lambda: lambda: time.sleep(ideal_seconds)
            samples = interleaved(ways, max(1, scale.rounds // 2))
        case = f"{scale.messages:,} messages, trip {trip_ms} ms"
        report.compare(WALL, case, samples, "wall", "ideal", 1.15)
