"""Worker processes that empty a queue as Lambda does, and a ledger of what really happened."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config as ClientConfig

from cxone_idem import IdemError, current_claim
from cxone_idem.testing.events import sqs_event, sqs_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.context import ForkServerProcess
    from multiprocessing.synchronize import Event
    from pathlib import Path

BATCH_SIZE = 10
"""SQS's own limit for one request, and Lambda's default batch size."""
# An idle worker asks for messages for one second at a time; more than that is a busy machine.
_STOP_SECONDS = 15.0

_processes = multiprocessing.get_context("forkserver")
# Importing the SDK takes half a second of a core: once, and not for each of ten workers.
_processes.set_forkserver_preload(["examples.demo.race"])


@cache
def client(service: str, endpoint: str) -> Any:
    """Return this process's boto3 client for the engine at `endpoint`."""
    session: Any = boto3.Session("any key", "any secret", region_name="us-east-1")
    # No proxies: the engine is on loopback, whatever HTTP_PROXY says.
    return session.client(service, endpoint_url=endpoint, config=ClientConfig(proxies={}))


class Entry(NamedTuple):
    """One line of the ledger: "delivered", "started", "effect" or "request" (to DynamoDB)."""

    what: str
    key: str
    number: int  # of a delivery SQS's SentTimestamp (ms), of a start its claim's generation
    at_seconds: float


@dataclass(frozen=True)
class Job:
    """A consumer, its queue, its table and its ledger."""

    make_handler: Callable[..., Callable[[dict[str, Any]], dict[str, Any]]]
    endpoint: str
    queue_url: str
    table: str
    ledger: Path
    work_seconds: float

    def send(self, envelopes: Sequence[dict[str, Any]]) -> None:
        """Send up to ten events in one request."""
        entries = [{"Id": event["id"], "MessageBody": json.dumps(event)} for event in envelopes]
        client("sqs", self.endpoint).send_message_batch(QueueUrl=self.queue_url, Entries=entries)

    def is_drained(self) -> bool:
        """Tell whether no message is waiting or being worked on."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        sqs = client("sqs", self.endpoint)
        answer = sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return not any(map(int, answer["Attributes"].values()))

    def note(self, what: str, key: str = "", number: int = 0) -> None:
        """Append an entry. What is written stays, even if the worker is killed next."""
        with self.ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps([what, key, number, time.time()]) + "\n")

    def entries(self, what: str = "") -> list[Entry]:
        """Return all workers' entries, or those of one kind; no line that is unfinished."""
        lines = self.ledger.read_text("utf-8").split("\n")[:-1]
        return [
            entry for entry in (Entry(*json.loads(line)) for line in lines) if what in entry.what
        ]


@contextmanager
def crew(job: Job, size: int) -> Iterator[list[ForkServerProcess]]:
    """Run `size` workers until the block ends."""
    stop = _processes.Event()
    workers = [_processes.Process(target=_work, args=(job, stop), daemon=True) for _ in range(size)]
    for worker in workers:
        worker.start()
    patience_seconds = 0.0  # after an error, or Ctrl-C, nobody waits for what is under way
    try:
        yield workers
        patience_seconds = _STOP_SECONDS
    finally:
        stop.set()
        for worker in workers:
            worker.join(patience_seconds)
            worker.kill()
            worker.join()


def _work(job: Job, stop: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    parent = multiprocessing.parent_process()

    def process_event(envelope: dict[str, Any]) -> None:
        key = envelope["detail"]["IdempotencyKey"]
        generation = 0
        with suppress(IdemError):  # the naive consumer works under no claim
            generation = getattr(current_claim(), "generation", 0)
        job.note("started", key, generation)
        time.sleep(job.work_seconds)
        job.note("effect", key)

    dynamodb = client("dynamodb", job.endpoint)
    # Each request that goes out on the wire counts, the SDK's own retries included.
    dynamodb.meta.events.register("before-send.dynamodb", lambda **_: job.note("request"))
    handler = job.make_handler(job.table, dynamodb, process_event)
    while not stop.is_set() and parent and parent.is_alive():
        _pass_on_a_batch(job, handler)


def _pass_on_a_batch(job: Job, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Receive, handle, and delete what did not fail: the rest becomes visible again later."""
    sqs = client("sqs", job.endpoint)
    answer = sqs.receive_message(
        QueueUrl=job.queue_url,
        MaxNumberOfMessages=BATCH_SIZE,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["All"],
    )
    handles = {m["MessageId"]: m["ReceiptHandle"] for m in answer.get("Messages", [])}
    if not handles:
        return
    for message in answer["Messages"]:
        key = json.loads(message["Body"])["detail"]["IdempotencyKey"]
        job.note("delivered", key, int(message["Attributes"]["SentTimestamp"]))
    messages = answer["Messages"]
    records = [sqs_record(m["MessageId"], m["Body"], **m["Attributes"]) for m in messages]
    for failure in handler(sqs_event(*records))["batchItemFailures"]:
        del handles[failure["itemIdentifier"]]
    entries = [{"Id": name, "ReceiptHandle": handle} for name, handle in handles.items()]
    if entries:
        sqs.delete_message_batch(QueueUrl=job.queue_url, Entries=entries)
