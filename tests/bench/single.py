"""One claim and its completion outside a batch, and a duplicate, beside two bare calls."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.contender import PEER, TWO_CALLS, US, Contender, made
from tests.bench.report import Report
from tests.bench.scale import NewTable, Scale
from tests.bench.timing import Way, fresh_keys, interleaved
from tests.bench.wire import table_behind

CPU = "Outside a batch, CPU an event over A (ms)"
_BLOCK = 10


def measure(report: Report, scale: Scale, new_table: NewTable) -> None:
    """Fill in the CPU of an event and of a duplicate; the wire is the engine's own."""
    with table_behind(new_table) as table:
        contenders = made(table, (US, PEER, TWO_CALLS))
        for case, times, target in (("claim + complete", 1, 1.05), ("duplicate", 2, None)):
            ways = {name: _block(contender, times) for name, contender in contenders.items()}
            samples = interleaved(ways, scale.rounds * 5)
            report.compare(CPU, case, samples, "cpu", TWO_CALLS, target, per=_BLOCK)


def _block(contender: Contender, times: int) -> Way:
    def deliver(keys: list[str]) -> None:
        for key in keys:
            contender.one(key)

    def prepare() -> Callable[[], None]:
        keys = fresh_keys(_BLOCK)
        for _ in range(times - 1):
            deliver(keys)
            contender.restart()
        return lambda: deliver(keys)

    return prepare
