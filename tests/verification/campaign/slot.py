"""One place where workers run one after another, and where they are killed."""

from __future__ import annotations

import math
import random
import signal
import time
from typing import TYPE_CHECKING, Any

from tests.verification.campaign.ills import hangs
from tests.verification.campaign.plan import FREEZE_SECONDS, FUNCTION_SECONDS, GRACE_SECONDS
from tests.verification.campaign.process import Process, WorkerDiedError
from tests.verification.campaign.worker import Job

if TYPE_CHECKING:
    from threading import Barrier, Event

    from tests.verification.campaign.delivery import Queue
    from tests.verification.campaign.field import Field
    from tests.verification.campaign.ledger import Ledger

_IDLE_SECONDS = 0.02
# A kill that falls due while the worker idles would hit nothing: it waits for the next batch.
_INTO_BATCH_SECONDS = 0.15
_FOREVER_SECONDS = 3600.0


class Slot:
    """Starts a worker, hands it batches, kills it at random or at its deadline, starts another."""

    def __init__(self, field: Field, index: int, queue: Queue, ledger: Ledger) -> None:
        self._field = field
        self._queue = queue
        self._ledger = ledger
        self._on_lambda = index < field.plan.lambdas
        self._forks = index >= field.plan.lambdas + field.plan.services
        self._random = random.Random(f"{field.plan.seed}:slot:{index}")  # noqa: S311 -- repeatable
        self._number = index
        self._peace_at = self._due_at = 0.0

    def run(self, ready: Barrier, stop: Event) -> None:
        """Work from when all are ready until stopped."""
        process = self._start()
        ready.wait()
        # Without new events there is nothing left to disturb but the end, which would never come.
        self._peace_at = time.monotonic() + self._field.plan.feed_seconds
        self._due_at = self._draw_due()
        try:
            while not stop.is_set():
                event = self._queue.receive()
                if event is None:
                    time.sleep(_IDLE_SECONDS)
                    continue
                try:
                    self._queue.settle(event, self._invoke(process, event))
                except WorkerDiedError:
                    self._note_end(process.end())
                    process = self._start()
        finally:
            process.end()

    def _start(self) -> Process:
        plan = self._field.plan
        # Apart by the number of slots: no two incarnations share a number.
        self._number += plan.workers
        skew = self._random.uniform(-plan.skew_seconds, plan.skew_seconds)
        self._ledger.write("worker", self._number, skew=round(skew, 1), on_lambda=self._on_lambda)
        field = self._field
        return Process(
            Job(
                consumer=plan.consumer,
                number=self._number,
                ledger=str(field.ledger),
                endpoint=f"{field.endpoint}/{self._number}",
                engine=field.engine,
                table=field.table,
                seed=plan.seed,
                skew_seconds=skew,
                step_seconds=plan.skew_seconds,
                forks=self._forks,
            )
        )

    def _draw_due(self) -> float:
        mean = self._field.plan.mean_seconds_between_kills
        due_at = time.monotonic() + self._random.expovariate(1 / mean)
        return due_at if due_at < self._peace_at else math.inf

    def _invoke(self, process: Process, event: dict[str, Any]) -> Any:
        now = time.monotonic()
        until = now + (FUNCTION_SECONDS if self._on_lambda else _FOREVER_SECONDS)
        due_at = max(self._due_at, now + self._random.uniform(0, _INTO_BATCH_SECONDS))
        if self._on_lambda and hangs(event):
            due_at = math.inf
        invocation = {"id": f"{self._number}-{now}", "event": event}
        in_peace = now >= self._peace_at
        process.send(
            {**invocation, "until": until if self._on_lambda else None, "in_peace": in_peace}
        )
        response = process.response(due_at if due_at < until else until + GRACE_SECONDS)
        if response is None and due_at < until:
            self._due_at = self._draw_due()
            if self._on_lambda or self._random.random() < 0.5:
                self._kill(process, "at random")
            else:
                self._freeze(process)
            response = process.response(until + GRACE_SECONDS)
        if response is None:
            self._kill(process, "at the deadline")
            raise WorkerDiedError
        return response

    def _kill(self, process: Process, where: str) -> None:
        self._ledger.write("kill", self._number, where=where)
        process.kill()
        raise WorkerDiedError

    def _freeze(self, process: Process) -> None:
        self._ledger.write("freeze", self._number)
        process.freeze(self._random.uniform(*FREEZE_SECONDS))
        self._ledger.write("thaw", self._number)

    def _note_end(self, code: int | None) -> None:
        if code != -signal.SIGKILL:
            self._ledger.write("crash", self._number, code=code)
