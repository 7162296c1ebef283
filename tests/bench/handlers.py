"""Batches of ten, by the time a handler takes and the time a round trip takes."""

from __future__ import annotations

from tests.bench.contender import FEWEST, made
from tests.bench.report import Report
from tests.bench.scale import NewTable, Scale
from tests.bench.timing import delivery, interleaved
from tests.bench.wire import table_behind

WALL = "Batch of 10, wall over B (ms)"
REQUESTS = "Batch of 10, requests over B"
_TARGETS = {(1, 5): 1.15, (1, 20): 1.12}


def measure(report: Report, scale: Scale, new_table: NewTable) -> None:
    """Fill in the wall of a batch for each, and the requests."""
    cases = {}
    for trip_ms in scale.trips_ms:
        with table_behind(new_table, trip_ms) as table:
            contenders = made(table)
            for handler_ms in scale.handlers_ms:
                ways = {n: delivery(c, 10, handler_ms) for n, c in contenders.items()}
                case = f"handler {handler_ms} ms, trip {trip_ms} ms"
                cases[case] = interleaved(ways, scale.rounds)
                target = _TARGETS.get((handler_ms, trip_ms))
                report.compare(WALL, case, cases[case], "wall", FEWEST, target)
    for case, samples in cases.items():
        report.compare(REQUESTS, case, samples, "requests", FEWEST)
