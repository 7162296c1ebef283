"""Workers: processes that take batches off a queue, as many Lambda sandboxes would."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from examples.demo import engine
from examples.demo.conversations import key_of
from examples.demo.event_source import EventSource
from examples.demo.ledger import Ledger, What

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerProcess
    from multiprocessing.synchronize import Event
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from examples.demo.consumers import MakeHandler

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["examples.demo.warm"])

# An idle worker asks for messages for one second at a time; more than that is a busy machine.
_STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Job:
    """What a worker needs to know."""

    make_handler: MakeHandler
    endpoint: str
    queue_url: str
    table: str
    ledger: Path
    work_seconds: float
    """How long `process_event` takes: the call to an API that a real one makes."""


class Crew(NamedTuple):
    """Some workers on one job."""

    processes: list[ForkServerProcess]

    def check(self) -> None:
        """Raise if a worker has ended by itself: its messages would be waited for in vain."""
        for process in self.processes:
            if process.exitcode is not None:
                message = f"worker {process.pid} ended with code {process.exitcode}"
                raise RuntimeError(message)


@contextmanager
def crew(job: Job, size: int) -> Iterator[Crew]:
    """Run `size` workers until the block ends."""
    stop = _processes.Event()
    job.ledger.mkdir(exist_ok=True)
    workers = [_processes.Process(target=_work, args=(job, stop), daemon=True) for _ in range(size)]
    for worker in workers:
        worker.start()
    patience_seconds = 0.0  # after an error, or Ctrl-C, nobody waits for what is under way
    try:
        yield Crew(workers)
        patience_seconds = _STOP_SECONDS
    finally:
        stop.set()
        for worker in workers:
            worker.join(patience_seconds)
            if worker.exitcode is None:
                worker.kill()
                worker.join()


def _work(job: Job, stop: Event) -> None:
    # Ctrl-C reaches the whole group; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path = job.ledger / f"{multiprocessing.current_process().pid}.jsonl"
    with (
        closing(Ledger(path)) as ledger,
        closing(engine.sqs(job.endpoint)) as sqs,
        closing(engine.dynamodb(job.endpoint)) as dynamodb,
    ):
        _count_requests(dynamodb, ledger)

        def process_event(envelope: dict[str, Any]) -> None:
            ledger.write(What.STARTED, key_of(envelope))
            time.sleep(job.work_seconds)
            ledger.write(What.EFFECT, key_of(envelope))

        handler = job.make_handler(job.table, dynamodb, process_event)
        source = EventSource(sqs, job.queue_url)
        while not stop.is_set() and _parent_is_alive():
            event = source.receive()
            if event is not None:
                _note_delivery(event, ledger)
                source.settle(event, handler(event))


def _count_requests(client: DynamoDBClient, ledger: Ledger) -> None:
    """Note each request that goes out on the wire, the SDK's own retries included."""

    def note(event_name: str, **_: object) -> None:
        ledger.write(What.REQUEST, event_name.rpartition(".")[2])

    client.meta.events.register("before-send.dynamodb", note)


def _parent_is_alive() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and parent.is_alive()


def _note_delivery(event: dict[str, Any], ledger: Ledger) -> None:
    for record in event["Records"]:
        key = key_of(json.loads(record["body"]))
        ledger.write(What.SENT, key, int(record["attributes"]["SentTimestamp"]) / 1000)
        ledger.write(What.DELIVERED, key)
