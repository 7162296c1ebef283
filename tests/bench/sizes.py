"""Batches of one to a thousand, and one of which half are duplicates: whose CPU an event takes."""

from __future__ import annotations

from tests.bench.contender import FEWEST, TWO_CALLS, made
from tests.bench.report import Report
from tests.bench.scale import NewTable, Scale
from tests.bench.timing import delivery, interleaved
from tests.bench.wire import table_behind

CPU = "CPU an event over A, no-op handler, trip 1 ms (ms)"
WALL = "Wall a batch over B, no-op handler, trip 1 ms (ms)"


def measure(report: Report, scale: Scale, new_table: NewTable) -> None:
    """Fill in CPU and wall for each size."""
    cases = {f"{size:,} in a batch": (size, 0) for size in scale.sizes}
    cases["10, half of them duplicates"] = (10, 5)
    taken = {}
    with table_behind(new_table, 1) as table:
        contenders = made(table)
        for case, (size, duplicates) in cases.items():
            ways = {n: delivery(c, size, 0, duplicates) for n, c in contenders.items()}
            rounds = max(1, scale.rounds // 2, min(100, scale.events // size))
            taken[case] = interleaved(ways, rounds, warm_up=int(size < 1000))
    for case, (size, _) in cases.items():
        target = 1.05 if size == 1 else None
        report.compare(CPU, case, taken[case], "cpu", TWO_CALLS, target, per=size)
    for case, samples in taken.items():
        report.compare(WALL, case, samples, "wall", FEWEST)
