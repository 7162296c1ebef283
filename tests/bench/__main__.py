"""`python -m tests.bench`: measure this library beside its peers; print ratios, draw a plot."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench import cold_start, cost, first_invocation, handlers, single, sizes, workers
from tests.bench.contender import LEGEND, made
from tests.bench.report import Report
from tests.bench.scale import QUICK, NewTable, Scale
from tests.bench.timing import delivery, interleaved
from tests.bench.wire import table_behind
from tests.support.engines import MISSING, is_missing, running, use_stand_in_credentials

PARTS: dict[str, Callable[[Report, Scale, NewTable], None]] = {
    "handlers": handlers.measure,
    "workers": workers.measure,
    "first": first_invocation.measure,
    "cold": cold_start.measure,
    "sizes": sizes.measure,
    "single": single.measure,
    "writes": cost.measure_writes,
    "memory": cost.measure_memory,
    "table": cost.measure_table,
}


def main() -> None:
    """Run the parts that were asked for."""
    options = _options()
    if is_missing("dynamodb-local"):
        raise SystemExit(MISSING["dynamodb-local"])
    use_stand_in_credentials()
    with running("dynamodb-local", for_long=True) as new_table:
        scale = QUICK if options.quick else Scale(items=options.items)
        report = measure(scale, new_table, options.part or PARTS)
    if report.rows and not options.quick:
        from tests.bench import plot  # noqa: PLC0415 -- only a full run needs matplotlib

        plot.save(report, options.plot)
        print(f"plot: {options.plot}")


def measure(scale: Scale, new_table: NewTable, parts: Iterable[str]) -> Report:
    """Measure some parts and return what was found."""
    report = Report()
    print(f"{LEGEND}\nEach cell: ratio over the base (the value itself).")
    _print_load()
    with table_behind(new_table) as table:  # until the engine's compiler has seen all requests
        interleaved({n: delivery(c, 10) for n, c in made(table).items()}, scale.warm_up)
    for name in parts:
        PARTS[name](report, scale, new_table)
    _print_load()
    return report


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute: does it run? No plot")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; repeatable")
    parser.add_argument("--items", type=int, default=100_000, help="in the full table (100,000)")
    parser.add_argument("--plot", type=Path, default=Path("dist/bench.png"), help="the plot's file")
    return parser.parse_args()


def _print_load() -> None:
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    print(f"\nload average (1, 5, 15 min) on {os.cpu_count()} CPUs: {load}", flush=True)


if __name__ == "__main__":
    main()
