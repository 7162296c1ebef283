"""How much a run of the benchmark measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

NewTable = Callable[[], Any]
"""Makes a fresh table on the engine that runs."""


class Scale(NamedTuple):
    """Rounds and cases."""

    rounds: int = 6
    handlers_ms: tuple[int, ...] = (0, 1, 10, 50)
    trips_ms: tuple[int, ...] = (1, 5, 20)
    sizes: tuple[int, ...] = (1, 10, 100, 1000)
    events: int = 240
    # A call with few variables takes some 120 bytes of a chunk of 16 KiB.
    depths: tuple[int, ...] = tuple(range(0, 136, 17))
    messages: int = 1000
    items: int = 100_000
    shares: tuple[float, ...] = (0.07, 0.29)
    later: int = 5
    warm_up: int = 60


# Seconds, not minutes: it shows that the benchmark runs, and nothing else.
QUICK = Scale(1, (0, 1), (1,), (1, 10), 10, (0,), 20, 100, (0.29,), 1, 1)
