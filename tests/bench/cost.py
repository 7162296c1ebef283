"""What an event costs besides time: write units, memory, and what a full table adds."""

from __future__ import annotations

from tests.bench.contender import PEER, TWO_CALLS, US, made
from tests.bench.report import Report
from tests.bench.scale import NewTable, Scale
from tests.bench.timing import delivery, fresh_keys, interleaved, traced
from tests.bench.wire import table_behind
from tests.support.engines import client_for

# On demand in us-east-1 since November 2024. A contender's item is below 1 KiB: a unit a write.
WRITES = "Write units an event over A (US$ 0.625 a million units)"
MEMORY = "Peak memory of a batch beside its event, over Powertools (MB)"
TABLE = "Batch of 10, a full table over an empty one (ms)"
_FILL_REQUEST = 25


def measure_writes(report: Report, _: Scale, new_table: NewTable) -> None:
    """Fill in the writes, which DynamoDB charges refused or not."""
    with table_behind(new_table) as table:
        contenders = made(table)
        for case, duplicates in (("first deliveries", 0), ("duplicates, in a batch", 10)):
            ways = {n: delivery(c, 10, 0, duplicates) for n, c in contenders.items()}
            report.compare(WRITES, case, interleaved(ways, 1), "writes", TWO_CALLS, per=10)


def measure_memory(report: Report, scale: Scale, new_table: NewTable) -> None:
    """Fill in the peaks."""
    with table_behind(new_table) as table:
        contenders = made(table)
        for size in scale.sizes[1:]:
            ways = {n: traced(delivery(c, size)) for n, c in contenders.items()}
            samples = interleaved(ways, 1, warm_up=int(size == scale.sizes[1]))
            report.compare(MEMORY, f"{size:,} in a batch", samples, "peak", PEER)


def measure_table(report: Report, scale: Scale, new_table: NewTable) -> None:
    """Fill in the cost on an empty table, and on one with many items."""
    full = f"{scale.items:,} items"
    with table_behind(new_table) as table, table_behind(new_table) as empty_table:
        _fill(table, scale.items)
        names = {full: table, "empty": empty_table}
        ways = {n: delivery(made(at, [US])[US], 10) for n, at in names.items()}
        samples = interleaved(ways, scale.rounds * 10, warm_up=5)
    for measured in ("wall", "cpu"):
        report.compare(TABLE, measured, samples, measured, "empty")


def _fill(table: str, items: int) -> None:
    client = client_for(None)  # as patient as a busy engine needs
    for _ in range(0, items, _FILL_REQUEST):
        puts = [
            {"PutRequest": {"Item": {"id": {"S": key}, "state": {"S": "DONE"}}}}
            for key in fresh_keys(_FILL_REQUEST)
        ]
        client.batch_write_item(RequestItems={table: puts})
