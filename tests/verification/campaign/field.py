"""The field a campaign is fought on: a table, the proxy before it, and the driver's own files."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

from tests.verification.campaign import ledger
from tests.verification.campaign.delivery import Queue
from tests.verification.campaign.plan import PATIENCE_SECONDS
from tests.verification.campaign.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engines import DynamoDBTable
    from tests.verification.campaign.plan import Plan

_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Field:
    """What every worker of a campaign is given."""

    plan: Plan
    table: str
    ledger: Path
    endpoint: str
    """The proxy's URL."""
    engine: str
    """The URL behind it."""


@dataclass(frozen=True)
class Outcome:
    """What is known when a campaign is over."""

    plan: Plan
    lines: list[ledger.Line]
    faults: Counter[str]
    messages: int
    deliveries: int
    left: set[str]
    """Messages that nobody settled within the waiting bound."""
    items: dict[str, dict[str, Any]]
    """What is stored in the table, read past the proxy."""
    seconds: float
    ended_at: float
    """Epoch seconds."""


def fight(plan: Plan, table: DynamoDBTable) -> Outcome:
    """Run one campaign to its end."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, _proxy(plan, table.endpoint) as url:
        path = Path(directory, "ledger")
        queue = _drain(Field(plan, table.name, path, url, str(table.endpoint)))
        return Outcome(
            plan=plan,
            lines=list(ledger.read(path)),
            faults=_faults(url),
            messages=queue.messages,
            deliveries=queue.deliveries,
            left=queue.left(),
            items=_items(table),
            seconds=time.monotonic() - started,
            ended_at=time.time(),
        )


def _drain(field: Field) -> Queue:
    """Let the workers work until all messages are settled, or none is within the bound."""
    driver = ledger.Ledger(field.ledger, 0)
    queue = Queue(field.plan)
    stop = Event()
    ready = Barrier(field.plan.workers, action=queue.open)
    with ThreadPoolExecutor(field.plan.workers) as pool:
        slots = [Slot(field, index, queue, driver) for index in range(field.plan.workers)]
        running = [pool.submit(slot.run, ready, stop) for slot in slots]
        while queue.left() and time.monotonic() < queue.progressed_at + PATIENCE_SECONDS:
            stop.wait(_LOOK_SECONDS)
            if any(slot.done() for slot in running):
                ready.abort()
                break
        stop.set()
    driver.close()
    for slot in running:
        slot.result()
    return queue


@contextmanager
def _proxy(plan: Plan, upstream: str | None) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "tests.verification.campaign.proxy",
        str(upstream),
        str(plan.seed),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def _faults(url: str) -> Counter[str]:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 -- loopback
        return Counter(json.load(response))


def _items(table: DynamoDBTable) -> dict[str, dict[str, Any]]:
    pages = table.client.get_paginator("scan").paginate(TableName=table.name, ConsistentRead=True)
    return {item["id"]["S"]: item for page in pages for item in page["Items"]}
