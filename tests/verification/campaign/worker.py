"""One worker process: it answers invocations until its pipe ends, or until it is killed."""

from __future__ import annotations

import logging
import os
import re
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from examples.local_stack import CREDENTIALS
from tests.verification.campaign import forks
from tests.verification.campaign.effects import Effects
from tests.verification.campaign.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection


class Job(NamedTuple):
    """What the driver tells a new worker."""

    consumer: str
    number: int
    ledger: str
    endpoint: str
    """The worker's own door to the proxy."""
    engine: str
    """The table's engine, past the proxy."""
    table: str
    seed: int
    skew_seconds: float
    step_seconds: float
    """By how much its clock may be set while it works."""
    forks: bool


class Deadline:
    """A Lambda context whose remaining time is real: the driver kills at its end."""

    def __init__(self, request_id: str, until: float) -> None:
        self.aws_request_id = request_id
        self.until = until

    def get_remaining_time_in_millis(self) -> int:
        return int((self.until - time.monotonic()) * 1000)


class Worker:
    """The process's own state, as a consumer sees it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ledger = Ledger(job.ledger, job.number)
        self.context: Deadline | None = None
        self.in_peace = False
        self.held: Callable[[str], dict[str, Any]] = self.held_until_the_deadline
        self.vanish: Callable[[str], None] = lambda _: None
        """Deletes a key's record, where the consumer says how."""
        self._skew_seconds = job.skew_seconds
        self.effects = Effects(self.ledger, f"{job.seed}:{job.number}", self)

    def held_until_the_deadline(self, _: str) -> dict[str, Any]:
        """Say what is held of a key, for a consumer that is not asked: till the invocation ends."""
        until = self.context.until if self.context else None
        return {"claimed": time.monotonic(), "lease_until": until}

    def now(self) -> float:
        """Return what this worker's clock shows."""
        return time.time() + self._skew_seconds

    def step(self, share: float) -> None:
        """Set this worker's clock by a share of the most it may be set; back if negative."""
        by_seconds = share * self.job.step_seconds
        self._skew_seconds += by_seconds
        self.ledger.write("step", by=round(by_seconds, 1))

    def serve(self, handle: Callable[[Any, Any], Any], pipe: Connection) -> None:
        """Serve invocations one after another, as a Lambda sandbox does, until the pipe ends."""
        while True:
            try:
                invocation = pipe.recv()
            except EOFError:
                return
            until = invocation["until"]
            self.in_peace = invocation["in_peace"]
            self.context = Deadline(invocation["id"], until) if until else None
            self.ledger.write("begin", id=invocation["id"])
            try:
                response = handle(invocation["event"], self.context)
            except Exception as error:  # noqa: BLE001 -- Lambda reports it, and the batch comes back
                response = {"error": f"{type(error).__name__}: {error}"[:300]}
            self.ledger.write("end", id=invocation["id"], error=response.get("error"))
            pipe.send(response)


class LedgerHandler(logging.Handler):
    """Writes what the library logs into the ledger, with the message or key it is about."""

    _about = re.compile(r"event-\d+(/\d+)?")

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def emit(self, record: logging.LogRecord) -> None:
        about = self._about.search(record.getMessage())
        self._ledger.write("log", about=about[0] if about else "", text=record.getMessage()[:300])


def main(job: Job, pipe: Connection) -> None:
    """Work as the consumer that the job names, in a process group of its own."""
    os.setpgid(0, 0)
    for name in [name for name in os.environ if name.startswith(("CXONE_IDEM_", "AWS_LAMBDA_"))]:
        del os.environ[name]
    os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL_DYNAMODB=job.endpoint)
    worker = Worker(job)
    logger = logging.getLogger("cxone_idem")
    logger.setLevel(logging.INFO)
    logger.addHandler(LedgerHandler(worker.ledger))
    consumer = import_module(f"tests.verification.campaign.{job.consumer}")
    handle = consumer.handler(worker)
    if job.forks:
        forks.serve(worker, handle, pipe)
        return
    pipe.send("ready")
    worker.serve(handle, pipe)
