"""Workers: processes that take batches off a queue, as many Lambda sandboxes would."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from examples.demo import engine
from examples.demo.conversations import key_of
from examples.demo.event_source import EventSource
from examples.demo.ledger import Ledger, What

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event
    from pathlib import Path
    from types import TracebackType

    from examples.demo.consumers import MakeHandler

# Forked from a small server that has the AWS SDK imported: each worker would take 0.3 s for that.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["examples.demo.workers", "examples.demo.consumers"])

# An idle worker asks for messages for one second at a time; more than that is a busy machine.
_STOP_SECONDS = 15


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


class Crew:
    """Some workers on one job, from the start of a `with` block to its end."""

    def __init__(self, job: Job, size: int) -> None:
        self._stop = _processes.Event()
        job.ledger.mkdir(exist_ok=True)
        self.processes = [
            _processes.Process(target=_work, args=(job, self._stop), daemon=True)
            for _ in range(size)
        ]

    def __enter__(self) -> Crew:
        for process in self.processes:
            process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for process in self.processes:
            process.join(_STOP_SECONDS)
            if process.exitcode is None:
                process.kill()
                process.join()

    def check(self) -> None:
        """Raise if a worker has ended by itself: its messages would be waited for in vain."""
        for process in self.processes:
            if process.exitcode is not None:
                message = f"worker {process.pid} ended with code {process.exitcode}"
                raise RuntimeError(message)


def _work(job: Job, stop: Event) -> None:
    # Ctrl-C reaches the whole group; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path = job.ledger / f"{multiprocessing.current_process().pid}.jsonl"
    parent = multiprocessing.parent_process()
    with (
        closing(Ledger(path)) as ledger,
        closing(engine.sqs(job.endpoint)) as sqs,
        closing(engine.dynamodb(job.endpoint)) as dynamodb,
    ):

        def count_request(event_name: str, **_: object) -> None:
            ledger.write(What.REQUEST, event_name.rpartition(".")[2])

        def process_event(envelope: dict[str, Any]) -> None:
            ledger.write(What.STARTED, key_of(envelope))
            time.sleep(job.work_seconds)
            ledger.write(What.EFFECT, key_of(envelope))

        # Sent over the wire one by one: the SDK's retries are counted as well.
        dynamodb.meta.events.register("before-send.dynamodb", count_request)
        handler = job.make_handler(job.table, dynamodb, process_event)
        source = EventSource(sqs, job.queue_url)
        while not stop.is_set() and parent is not None and parent.is_alive():
            event = source.receive()
            if event is None:
                continue
            for record in event["Records"]:
                ledger.write(What.DELIVERED, key_of(json.loads(record["body"])))
            source.settle(event, handler(event))
