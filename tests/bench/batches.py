"""Batches of ten over a slow wire: every contender, round by round."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from tests.bench.sample import Samples
from tests.support.events import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.contender import Bare, Contender
    from tests.bench.report import Report

SIZE = 10
HANDLER_SECONDS = 0.01
# Until the engine's own compiler has seen all kinds of requests.
_WARM_UP_ROUNDS = 60
_US = "cxone_idem"
_PEER = "Powertools"


class Worker:
    """A handler that takes its time, and knows how long it took."""

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds
        self.busy_seconds = 0.0

    def __call__(self, _: Any) -> None:
        if self._seconds:
            started = time.perf_counter()
            time.sleep(self._seconds)
            self.busy_seconds += time.perf_counter() - started


def fresh_keys(count: int = SIZE) -> list[str]:
    """Return keys that no table has seen."""
    return [f"key-{uuid.uuid4().hex}" for _ in range(count)]


def rounds_of(
    contenders: Sequence[Contender],
    rounds: int,
    worker: Callable[[Any], object],
    duplicates: int = 0,
) -> dict[str, Samples]:
    """Deliver fresh batches in turn; `duplicates` of each are done before, by another process."""
    samples = {contender.name: Samples() for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            kept = samples[contender.name] if number else Samples()  # the first one warms up
            _deliver(contender, kept, worker, duplicates)
    return samples


def _deliver(
    contender: Contender, kept: Samples, worker: Callable[[Any], object], duplicates: int
) -> None:
    keys = fresh_keys()
    if duplicates:
        contender.deliver(batch_of(*keys[:: SIZE // duplicates]), bool)
        contender.restart()
    event = batch_of(*keys)
    with kept.run(contender.tap):
        contender.deliver(event, worker)


def _measure_bounds(report: Report, us: Contender, bare: Bare, rounds: int) -> None:
    """Compare us with ourselves and with one request, in turn: the engine changes with time."""
    worker = Worker(HANDLER_SECONDS)
    trip, quick, quick_half, slow, slow_half = (Samples() for _ in range(5))
    for key in fresh_keys(rounds):
        with trip.run():
            bare.claim(key)
        for kept, work, duplicates in (
            (quick, bool, 0),
            (quick_half, bool, SIZE // 2),
            (slow_half, Worker(HANDLER_SECONDS), SIZE // 2),
            (slow, worker, 0),
        ):
            _deliver(us, kept, work, duplicates)
    handler_ms = worker.busy_seconds * 1000 / rounds
    beyond = (slow.wall_ms - handler_ms) / trip.wall_ms
    report.add("batch", "one bare PutItem, wall", trip.wall_ms, "ms")
    report.add("batch", "10 ms handler: handler time a batch", handler_ms, "ms")
    report.add("batch", "10 ms handler: wall beyond it, in round trips", beyond, "trips", 3)
    for what, none, half in (
        ("no-op handler", quick, quick_half),
        ("10 ms handler", slow, slow_half),
    ):
        ratio = half.wall_ms / none.wall_ms
        report.add("batch", f"half duplicates, {what}: wall / no duplicates", ratio, "x", 1)


def measure(report: Report, contenders: Sequence[Contender], bare: Bare, rounds: int) -> None:
    """Fill in the batch rows."""
    rounds_of(contenders, _WARM_UP_ROUNDS, Worker())
    noop = rounds_of(contenders, rounds, Worker())
    _rows(report, "no-op handler", noop)
    _ratios(report, "no-op handler", noop, wall_target=0.22, cpu_target=0.25)

    slow = rounds_of(contenders, rounds, Worker(HANDLER_SECONDS))
    _rows(report, "10 ms handler", slow)
    _ratios(report, "10 ms handler", slow)
    half = rounds_of(contenders, rounds, Worker(), duplicates=SIZE // 2)
    _rows(report, "half duplicates", half)
    _ratios(report, "half duplicates", half)
    _measure_bounds(report, contenders[0], bare, rounds)


def _rows(report: Report, scenario: str, samples: dict[str, Samples]) -> None:
    for name, taken in samples.items():
        report.add("batch", f"{scenario}: {name}, wall a batch", taken.wall_ms, "ms")
        report.add("batch", f"{scenario}: {name}, CPU an event", taken.cpu_ms / SIZE, "ms")
        report.add("batch", f"{scenario}: {name}, requests a batch", taken.requests_median)
    report.chart(f"{scenario}: wall a batch (ms)", {n: s.wall_ms for n, s in samples.items()})
    report.chart(f"{scenario}: CPU an event (ms)", {n: s.cpu_ms / SIZE for n, s in samples.items()})


def _ratios(
    report: Report,
    scenario: str,
    samples: dict[str, Samples],
    wall_target: float | None = None,
    cpu_target: float | None = None,
) -> None:
    us = samples[_US]
    for name in [name for name in samples if name != _US]:
        peer, judged = samples[name], name == _PEER
        wall, cpu = us.wall_ms / peer.wall_ms, us.cpu_ms / peer.cpu_ms
        report.add(
            "batch", f"{scenario}: wall / {name}", wall, "x", wall_target if judged else None
        )
        report.add("batch", f"{scenario}: CPU / {name}", cpu, "x", cpu_target if judged else None)
