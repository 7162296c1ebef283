"""The loop that every question shares: contenders in turn, round by round, one run each."""

from __future__ import annotations

import gc
import resource
import time
import tracemalloc
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from tests.bench.contender import Contender, handler_of
from tests.support.events import batch_of

Way = Callable[[], Callable[[], "dict[str, float] | None"]]
"""Prepares a run, unmeasured, and returns it. A run may return measures of its own."""


class Samples:
    """What one contender took in each round, by measure."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = defaultdict(list)

    def median(self, measure: str) -> float:
        return median(self.taken[measure])

    def ratio(self, measure: str, base: Samples) -> float:
        """Return the median of the rounds' ratios: a machine's slow minutes are in both."""
        pairs = zip(self.taken[measure], base.taken[measure], strict=True)
        return median(own / other for own, other in pairs)


def interleaved(ways: Mapping[str, Way], rounds: int, warm_up: int = 1) -> dict[str, Samples]:
    """Run each way once a round, first another one each time; measure wall and CPU in ms."""
    samples = {name: Samples() for name in ways}
    names = list(ways)
    gc.collect()
    gc.freeze()  # what is imported by now is nobody's garbage
    for number in range(-warm_up, rounds):
        for name in names:
            run = ways[name]()
            gc.collect()
            cpu, wall = _cpu_seconds(), time.perf_counter()
            further = run() or {}
            wall_ms = (time.perf_counter() - wall) * 1000
            cpu_ms = (_cpu_seconds() - cpu) * 1000
            if number >= 0:
                for measure, value in {"wall": wall_ms, "cpu": cpu_ms, **further}.items():
                    samples[name].taken[measure].append(value)
        names.append(names.pop(0))
    gc.unfreeze()
    return samples


def _cpu_seconds() -> float:
    """Return the CPU of this process, threads included, and of the children it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def fresh_keys(count: int) -> list[str]:
    """Return keys that no table has seen."""
    return [f"key-{uuid.uuid4().hex}" for _ in range(count)]


def delivery(contender: Contender, size: int, handler_ms: float = 0, duplicates: int = 0) -> Way:
    """Return the way of a fresh batch; `duplicates` of it are done before, by another process."""
    handler = handler_of(handler_ms)

    def prepare() -> Callable[[], dict[str, float]]:
        keys = fresh_keys(size)
        if duplicates:
            contender.deliver(batch_of(*keys[:: size // duplicates]), bool)
            contender.restart()
        event: Any = batch_of(*keys)

        def run() -> dict[str, float]:
            tap = contender.tap
            requests, writes = tap.requests, tap.writes
            contender.deliver(event, handler)
            return {"requests": tap.requests - requests, "writes": tap.writes - writes}

        return run

    return prepare


def traced(way: Way) -> Way:
    """Return a way that measures its peak of memory too, in MB."""

    def run() -> dict[str, float]:
        inner = way()
        tracemalloc.start()
        inner()
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        return {"peak": peak}

    return lambda: run
