"""A long-polling consumer for containers and servers: what Lambda's pollers do, in one process.

Each poller receives, has the batch adapter settle what it received, deletes what is done and says
when the rest is to come back. What becomes of a message is the adapter's to decide, as on Lambda.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, NamedTuple, Protocol

from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.manager import ClaimManager
from cxone_idem.errors import QueueError
from cxone_idem.runtime import SYSTEM, Runtime
from cxone_idem.sqs.batch import BatchProcessor
from cxone_idem.sqs.heartbeat import Heartbeat
from cxone_idem.sqs.outcome import ACKNOWLEDGED, Outcome
from cxone_idem.sqs.queue import (
    ENTRIES_MAX,
    SqsQueue,
    create_sqs_client,
    lambda_record,
    open_queue,
)
from cxone_idem.sqs.visibility import plan_visibility
from cxone_idem.sqs.workers import Workers

logger = logging.getLogger("cxone_idem")

# A receive that is given up may have hidden messages already, so a stop waits for it. With the time
# for its answer it ends within the 10 s that Docker grants, even if SQS hangs.
POLL_SECONDS = 4
POLLERS_MAX = 10
"""As many as an AWS client has connections by default."""

# While SQS cannot be reached: within 1, 2, 4 … 32 s, so that a fleet does not come back as one.
_DOUBLINGS_MAX = 5
# A stop is noticed within that; a signal does not end a sleep.
_NAP_SECONDS = 1.0
# No deadline is near here, and a deletion that is given up brings a duplicate.
_ATTEMPTS = 3
_ANSWER_SECONDS = 5


class ServedQueue(NamedTuple):
    """A queue, and how it is polled."""

    queue: SqsQueue
    polled: SqsQueue
    """The same queue on a client that waits long enough for `poll_seconds`."""
    batch_size: int = ENTRIES_MAX
    poll_seconds: int = POLL_SECONDS
    pollers: int = 1

    @classmethod
    def of(cls, name_or_url: str, batch_size: int, pollers: int = 1) -> ServedQueue:
        """Return a queue on clients that suit a long-polling consumer; raise `QueueError`."""
        client = create_sqs_client(attempts=_ATTEMPTS, answer_seconds=_ANSWER_SECONDS)
        queue = open_queue(client, name_or_url)
        polling = create_sqs_client(attempts=1, answer_seconds=POLL_SECONDS + _ANSWER_SECONDS)
        return cls(queue, SqsQueue(polling, queue.url), batch_size, pollers=pollers)


class Settler(Protocol):
    """A deduplicator."""

    claims: ClaimManager
    batches: BatchProcessor


class Service(Invocation):
    """There is no deadline until `stop`, and no time left for a further message after it.

    Leases are as long as configured at any time: a heartbeat keeps them while their work runs.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.stopping = False
        self.serving = False
        """Messages may have been received; before that, nothing is lost by a sudden end."""

    def stop(self) -> None:
        """Start no further message. Takes no lock, so a signal handler may call it."""
        self.stopping = True

    def remaining_ms(self) -> int | None:
        """Return None, for no deadline, until stopped."""
        return -1 if self.stopping else None  # less than any time a message may need

    def left(self) -> str:
        """Return nothing: to be stopped is no lack of time."""
        return ""

    def lease_ms(self, lease_seconds: float) -> int:
        """Return how long a claim made now must last."""
        return int(lease_seconds * 1000)


class Consumer:
    """Serves one queue. `run` returns once `service.stop` was called and the work is settled."""

    def __init__(
        self,
        settler: Settler,
        served: ServedQueue,
        process_event: Callable[[Any], object],
        *,
        heartbeat: Heartbeat | None = None,
        runtime: Runtime = SYSTEM,
    ) -> None:
        self.service = Service()
        self._claims = settler.claims
        self._batches = settler.batches
        self._served = served
        self._process_event = process_event
        self._heartbeat = heartbeat or Heartbeat(settler.claims, served.queue)
        self._runtime = runtime
        self._turn = Lock()

    def run(self) -> None:
        """Serve until stopped. Raises `QueueError` if the queue cannot be had at the start.

        And `TypeError` if `process_event` is no plain function. Later on SQS may come and go, and
        anything may be raised: this logs it, and asks again after a while.
        """
        self._batches.settle({"Records": []}, self._process_event, self.service)
        arn = self._served.queue.arn()
        self.service.serving = True
        logger.info("serving %s", arn)
        pollers = self._served.pollers
        Workers(self._serve, [arn] * pollers).run(pollers)
        logger.info("stopped serving %s", arn)

    def _serve(self, arn: str) -> None:
        failures = 0
        try:
            while not self.service.stopping:
                failures = 0 if self._poll(arn) else failures + 1
                self._rest_after(failures)
        finally:
            self.service.stop()  # what ends one poller ends all

    def _poll(self, arn: str) -> bool:
        """Return whether SQS answered, and what it sent was settled."""
        try:
            received = self._receive()
            if received:
                # Passed on and not kept here, where the frames of a failure could keep them alive.
                self._conclude(self._settle([lambda_record(message, arn) for message in received]))
            self._claims.record_pending()
        except Exception:
            logger.exception("a poll failed; what it received and did not do comes back")
            return False
        return received is not None

    def _receive(self) -> list[dict[str, Any]] | None:
        try:
            # In turn: what one gives back at a stop, no other receives. Idle, one alone asks.
            with self._turn:
                if self.service.stopping:
                    return []
                return self._served.polled.receive(
                    most=self._served.batch_size,
                    wait_seconds=self._served.poll_seconds,
                    visibility_seconds=self._heartbeat.visibility_seconds,
                )
        except QueueError as error:
            logger.warning("nothing received: %s", error)
            return None

    def _rest_after(self, failures: int) -> None:
        most_seconds = 2 ** min(failures - 1, _DOUBLINGS_MAX) if failures else 0
        seconds = self._runtime.random() * most_seconds
        while seconds > 0 and not self.service.stopping:
            self._runtime.sleep(min(seconds, _NAP_SECONDS))
            seconds -= _NAP_SECONDS

    def _settle(self, records: Sequence[dict[str, Any]]) -> list[Outcome]:
        with self._heartbeat.keeping([record["receiptHandle"] for record in records]):
            return self._batches.settle({"Records": records}, self._process_event, self.service)

    def _conclude(self, outcomes: Sequence[Outcome]) -> None:
        done = [one.message.receipt_handle for one in outcomes if one.status in ACKNOWLEDGED]
        try:
            for reason in self._served.queue.delete(done).values():
                logger.warning("a message that is done comes back as a duplicate: %s", reason)
        except QueueError as error:
            logger.warning("what is done comes back as duplicates: %s", error)
        wanted = plan_visibility(outcomes, self._runtime.random)
        try:
            for reason in self._served.queue.change_visibility(wanted).values():
                logger.warning("the visibility of a message was not changed: %s", reason)
        except QueueError as error:
            logger.warning("what is not done comes back when its lease would have ended: %s", error)
