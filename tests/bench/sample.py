"""Samples of one way of doing something: wall and CPU a run, requests, and their medians."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.tap import Tap


@dataclass
class Samples:
    """What one contender took, run by run."""

    wall_seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    @contextmanager
    def run(self, tap: Tap | None = None) -> Iterator[None]:
        """Measure a block: this process's CPU, threads included."""
        before = tap.requests if tap else 0
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.cpu_seconds.append(time.process_time() - cpu)
        self.wall_seconds.append(time.perf_counter() - wall)
        self.requests.append((tap.requests if tap else 0) - before)

    @property
    def wall_ms(self) -> float:
        return median(self.wall_seconds) * 1000

    @property
    def cpu_ms(self) -> float:
        return median(self.cpu_seconds) * 1000

    @property
    def requests_median(self) -> float:
        return median(self.requests)
