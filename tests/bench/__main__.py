"""`python -m tests.bench`: measure this library beside its peers; print a table, draw a plot."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import batches, cold_start, peak, plot, scale, single
from tests.bench.contender import Bare, CxoneIdem
from tests.bench.powertools import Powertools
from tests.bench.report import Report
from tests.bench.wire import slowed
from tests.support.engines import MISSING, is_missing, running, use_stand_in_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.contender import Contender

_ENDPOINT = "AWS_ENDPOINT_URL_DYNAMODB"


def main() -> None:
    """Run the parts that were asked for."""
    options = _options()
    if is_missing("dynamodb-local"):
        raise SystemExit(MISSING["dynamodb-local"])
    use_stand_in_credentials()
    report = Report()
    _print_load()
    report.print_header()
    with running("dynamodb-local", for_long=True) as make, slowed(make().endpoint) as slow:
        engine = make().endpoint
        for name, (endpoint, part) in _parts(report, options, engine, slow).items():
            if not options.part or name in options.part:
                os.environ[_ENDPOINT] = endpoint
                part(make().name)
    _print_load()
    if report.charts:
        plot.save(report, options.plot)
        print(f"plot: {options.plot}")


def _parts(
    report: Report, options: argparse.Namespace, engine: str, slow: str
) -> dict[str, tuple[str, Callable[[str], None]]]:
    """Return each part with the endpoint it is measured at; it is given a fresh table."""
    rounds = options.rounds

    def batch(table: str) -> None:
        bare = Bare(table)
        contenders: list[Contender] = [CxoneIdem(table), Powertools(table), bare]
        batches.measure(report, contenders, bare, rounds)

    return {
        "batch": (slow, batch),
        "single": (engine, lambda t: single.measure(report, CxoneIdem(t), Bare(t), rounds * 2)),
        "cold": (engine, lambda _: cold_start.measure(report, max(15, rounds))),
        "workers": (slow, lambda t: scale.measure_workers(report, t, max(3, rounds // 4))),
        "processes": (engine, lambda t: scale.measure_processes(report, t)),
        "units": (engine, lambda t: scale.measure_units(report, t)),
        "table": (engine, lambda t: scale.measure_full_table(report, t, options.items, rounds)),
        "memory": (engine, lambda t: peak.measure(report, CxoneIdem(t))),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="runs of each contender (20)")
    parser.add_argument("--part", action="append", help="only this part; may be repeated")
    parser.add_argument("--plot", type=Path, default=Path("dist/bench.png"), help="the plot's file")
    parser.add_argument(
        "--full",
        dest="items",
        action="store_const",
        const=1_000_000,
        default=100_000,
        help="fill the table with a million items, not 100,000",
    )
    return parser.parse_args()


def _print_load() -> None:
    load = " ".join(f"{average:.2f}" for average in os.getloadavg())
    print(f"load average (1, 5, 15 min) on {os.cpu_count()} CPUs: {load}", flush=True)


if __name__ == "__main__":
    main()
