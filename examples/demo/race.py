"""The two consumers, and what happens to them: every event comes twice, and a worker is killed."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem import Config, Deduplicator, DynamoDBStore
from cxone_idem.testing.events import eventbridge_event
from examples.demo import picture
from examples.demo.workers import BATCH_SIZE, Entry, Job, client, crew

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    ProcessEvent = Callable[[dict[str, Any]], None]
    Handler = Callable[[dict[str, Any]], dict[str, Any]]

EVENTS = 200
MESSAGES = 2 * EVENTS
WORKERS = 4
# What the API call of a real process_event takes: 0.4 s a batch, far from the visibility timeout.
_WORK_SECONDS = 0.04
VISIBILITY_SECONDS = 3
# No Lambda context gives a deadline here: a dead worker's key waits this long, and the margin.
LEASE_SECONDS = 2
# Ten events each time, about as fast as the naive workers can do all of them twice.
_SEND_EVERY_SECONDS = 0.2
_PATIENCE_SECONDS = 60
_CLOSE_MS = 100


def naive(table: str, dynamodb: Any, process_event: ProcessEvent) -> Handler:
    """Return a handler that checks, processes, inserts. Its reads are consistent."""

    def handler(event: dict[str, Any]) -> dict[str, Any]:
        for record in event["Records"]:
            envelope = json.loads(record["body"])
            key = {"id": {"S": envelope["detail"]["IdempotencyKey"]}}
            if "Item" in dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True):
                continue
            process_event(envelope)
            dynamodb.put_item(TableName=table, Item=key)
        return {"batchItemFailures": []}

    return handler


def idempotent(
    table: str, dynamodb: Any, process_event: ProcessEvent, config: Config | None = None
) -> Handler:
    """Return the handler with the library, on its default settings unless others are given."""
    deduplicator = Deduplicator(DynamoDBStore(table, dynamodb), config)

    def handler(event: dict[str, Any]) -> Any:
        return deduplicator.process_batch(event, process_event)

    return handler


class Figures(NamedTuple):
    """What a consumer did with some events."""

    events: int
    sent_close: int  # events whose copies reached SQS within 100 ms, by SQS's own clock
    deliveries: int
    processed: int
    doubled: int
    lost: int
    requests: int


class Takeover(NamedTuple):
    """What became of the killed worker's event."""

    generations: list[int]  # of each start of the work, in order
    waited_seconds: float  # from the kill to the start of the work in the other worker
    refused: int  # deliveries to the other worker while the dead one's lease ran
    effects: int
    is_done: bool


def run(endpoint: str, folder: Path, picture_file: Path) -> dict[str, Figures]:
    """Run both consumers at once on the same events; return what each did, and draw it."""
    jobs = [
        _job("naive", naive, endpoint, folder),
        _job("cxone_idem", idempotent, endpoint, folder),
    ]
    keys = [str(uuid.uuid4()) for _ in range(EVENTS)]
    with crew(jobs[0], WORKERS) as a, crew(jobs[1], WORKERS) as b, ThreadPoolExecutor() as pool:
        for first in range(0, EVENTS, BATCH_SIZE):
            envelopes = [eventbridge_event(key) for key in keys[first : first + BATCH_SIZE]]
            for job in jobs:  # both copies at once, so that neither waits for the other
                list(pool.map(job.send, [envelopes, envelopes]))
            _show(f"sent {first + BATCH_SIZE} of {EVENTS} events twice")
            time.sleep(_SEND_EVERY_SECONDS)
        _wait(lambda: all(job.is_drained() for job in jobs), "empty the queues", a + b)
    ledgers = {job.table: job.entries() for job in jobs}
    picture.save(ledgers, picture_file)
    return {name: figures(keys, entries) for name, entries in ledgers.items()}


def figures(keys: Collection[str], entries: Sequence[Entry]) -> Figures:
    """Count what the entries say about `keys`."""
    effects = Counter(entry.key for entry in entries if entry.what == "effect")
    delivered = [entry for entry in entries if entry.what == "delivered"]
    sent = [[entry.number for entry in delivered if entry.key == key] for key in keys]
    return Figures(
        events=len(keys),
        sent_close=sum(bool(at) and max(at) - min(at) <= _CLOSE_MS for at in sent),
        deliveries=len(delivered),
        processed=effects.total(),
        doubled=sum(times > 1 for times in effects.values()),
        lost=sum(effects[key] == 0 for key in keys),
        requests=sum(entry.what == "request" for entry in entries),
    )


@contextmanager
def killed_worker(endpoint: str, folder: Path) -> Iterator[Callable[[], Takeover]]:
    """Kill a worker at its work; yield what waits for another one to take the event over."""
    config = Config(lease_seconds=LEASE_SECONDS)
    job = _job("killed", partial(idempotent, config=config), endpoint, folder)
    key = str(uuid.uuid4())
    job.send([eventbridge_event(key)])
    with crew(replace(job, work_seconds=60), 1) as victims:  # surely at work when it is killed
        _wait(lambda: bool(job.entries("started")), "start the work", victims)
        victims[0].kill()
        killed_at_seconds = time.time()

    def aftermath() -> Takeover:
        _wait(job.is_drained, "take the event over", rescuers)
        starts = job.entries("started")
        store = DynamoDBStore(job.table, client("dynamodb", endpoint))
        return Takeover(
            generations=[start.number for start in starts],
            waited_seconds=starts[-1].at_seconds - killed_at_seconds,
            refused=len(job.entries("delivered")) - len(starts),
            effects=len(job.entries("effect")),
            is_done=not Deduplicator(store, config).claim(key),
        )

    with crew(job, 1) as rescuers:
        yield aftermath


def _job(name: str, make_handler: Callable[..., Handler], endpoint: str, folder: Path) -> Job:
    """Create a queue, a table and a ledger; return the job of working on them."""
    timeout = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
    url = client("sqs", endpoint).create_queue(QueueName=name, Attributes=timeout)["QueueUrl"]
    client("dynamodb", endpoint).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    (folder / name).touch()
    return Job(make_handler, endpoint, url, name, folder / name, _WORK_SECONDS)


def _show(progress: str) -> None:
    """Write `progress` over what was there; a pipe gets none, as it could not take it back."""
    if sys.stdout.isatty():
        print(f"\r  {progress:60}\r", end="", flush=True)


def _wait(is_over: Callable[[], bool], hope: str, workers: Sequence[BaseProcess]) -> None:
    _show(f"waiting for the workers to {hope}")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_over():
        # A worker that ended by itself leaves messages that would be waited for in vain.
        if time.monotonic() > deadline or any(w.exitcode is not None for w in workers):
            sys.exit(f"the workers ended, or did not {hope} within {_PATIENCE_SECONDS} s")
        time.sleep(0.1)
    _show("")
