"""Scale: worker threads, processes, the size of the table, and what an event writes."""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.bench.batches import SIZE, Worker, fresh_keys
from tests.bench.contender import CxoneIdem
from tests.bench.sample import Samples
from tests.bench.single import claim_and_complete
from tests.bench.tap import Tap
from tests.support.engines import client_for
from tests.support.events import batch_of

if TYPE_CHECKING:
    from tests.bench.report import Report

COUNTS = (1, 2, 4, 8)
_WORKERS_BATCH = 50
_WORK_SECONDS = 0.02
_EVENTS_EACH = 200
_FILL_REQUEST = 25


def measure_workers(report: Report, table: str, rounds: int) -> None:
    """Fill in the throughput of a batch for each number of threads."""
    contenders = {count: CxoneIdem(table, max_workers=count) for count in COUNTS}
    samples = {count: Samples() for count in COUNTS}
    for _ in range(rounds):
        for count, contender in contenders.items():
            event = batch_of(*fresh_keys(_WORKERS_BATCH))
            with samples[count].run():
                contender.deliver(event, Worker(_WORK_SECONDS))
    rates = {count: _WORKERS_BATCH * 1000 / taken.wall_ms for count, taken in samples.items()}
    for count, rate in rates.items():
        report.add("workers", f"max_workers={count}: batch of 50, 20 ms handler", rate, "ev/s")
    report.chart("max_workers: events/s", {str(count): rate for count, rate in rates.items()})


def measure_processes(report: Report, table: str) -> None:
    """Fill in the throughput of single claims and of batches for each number of processes."""
    spawn = multiprocessing.get_context("spawn")
    for way in ("single", "batch"):
        rates = {}
        for count in COUNTS:
            with ProcessPoolExecutor(count, mp_context=spawn) as pool:
                start = time.time() + 1 + 0.7 * count  # when every process has its client
                spans = list(pool.map(_drive, [(table, way, start)] * count))
            seconds = max(end for _, end in spans) - min(begin for begin, _ in spans)
            rates[count] = count * _EVENTS_EACH / seconds
            report.add("scale", f"{count} processes, {way}: claim + complete", rates[count], "ev/s")
        report.chart(
            f"processes, {way}: events/s", {str(count): rate for count, rate in rates.items()}
        )


def _drive(job: tuple[str, str, float]) -> tuple[float, float]:
    table, way, start = job
    us = CxoneIdem(table)
    claim_and_complete(us, *fresh_keys(1))
    batches = [batch_of(*fresh_keys()) for _ in range(_EVENTS_EACH // SIZE)]
    time.sleep(max(0.0, start - time.time()))
    begin = time.time()
    if way == "batch":
        for event in batches:
            us.deliver(event, bool)
    else:
        for key in fresh_keys(_EVENTS_EACH):
            claim_and_complete(us, key)
    return begin, time.time()


def measure_units(report: Report, table: str) -> None:
    """Fill in an item's bytes, and an event's write units in a batch and outside one.

    DynamoDB Local tells no capacity for a BatchExecuteStatement nor for a refused write: there the
    units are the writes times the item's, as DynamoDB charges them ("Read and write operations").
    """
    us = CxoneIdem(table)
    tap = Tap(us.client, capacity=True)
    (key,) = fresh_keys(1)
    claim_and_complete(us, key)
    report.add("units", "single event: write units the engine tells", tap.write_units, "WCU")
    event = batch_of(*fresh_keys())
    for what in ("event", "duplicate"):
        tap.writes = 0
        us.deliver(event, bool)
        report.add("units", f"{what} in a batch of 10: writes", tap.writes / SIZE)
        us.restart()
    keys = [json.loads(record["body"])["detail"]["IdempotencyKey"] for record in event["Records"]]
    item = us.client.get_item(TableName=table, Key={"id": {"S": keys[0]}})["Item"]
    size = sum(map(_size, item, item.values()))
    report.add("units", "item of a done event", size, "bytes")
    report.add("units", "write units a write (1 for each KiB)", -(-size // 1024), "WCU")


def _size(name: str, value: dict[str, Any]) -> int:
    """Return an attribute's bytes by DynamoDB's rules ("DynamoDB item sizes and formats")."""
    ((kind, content),) = value.items()
    if kind == "M":
        return len(name) + 3 + sum(1 + _size(key, member) for key, member in content.items())
    return len(name) + (len(content.encode()) if kind == "S" else (len(content) + 1) // 2 + 1)


def measure_full_table(report: Report, table: str, items: int, rounds: int) -> None:
    """Fill in an event's cost before and after `items` more items stand in the table."""
    us = CxoneIdem(table)
    empty = _cost(us, rounds)
    _fill(table, items)
    full = _cost(us, rounds)
    for name, taken in (("empty table", empty), (f"{items:,} items", full)):
        report.add("scale", f"{name}: claim + complete, wall", taken.wall_ms / SIZE, "ms")
        report.add("scale", f"{name}: claim + complete, CPU", taken.cpu_ms / SIZE, "ms")
    report.add("scale", f"{items:,} items / empty table, wall", full.wall_ms / empty.wall_ms, "x")


def _cost(us: CxoneIdem, rounds: int) -> Samples:
    taken = Samples()
    for _ in range(rounds * 2):
        with taken.run():
            for key in fresh_keys():
                claim_and_complete(us, key)
    return taken


def _fill(table: str, items: int) -> None:
    client = client_for(None)  # as patient as a busy engine needs
    for _ in range(0, items, _FILL_REQUEST):
        puts = [
            {"PutRequest": {"Item": {"id": {"S": key}, "state": {"S": "DONE"}}}}
            for key in fresh_keys(_FILL_REQUEST)
        ]
        client.batch_write_item(RequestItems={table: puts})
