"""A long-polling consumer for containers and servers: what Lambda's pollers do, in one process.

It receives, has the batch adapter settle what it received, deletes what is done and says when the
rest is to come back. What becomes of a message is the adapter's to decide, here as on Lambda.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from cxone_idem.chance import random_share
from cxone_idem.errors import QueueError
from cxone_idem.fate import DELETED
from cxone_idem.heartbeat import Heartbeat
from cxone_idem.service import Service
from cxone_idem.sqs_queue import ENTRIES_MAX
from cxone_idem.visibility import changes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.deduplicator import Deduplicator
    from cxone_idem.outcome import Outcome
    from cxone_idem.sqs_batch import Envelope
    from cxone_idem.sqs_queue import SqsQueue

logger = logging.getLogger("cxone_idem")

POLL_SECONDS = 20
"""The longest that SQS lets a receive wait: the fewest empty answers to pay for."""

# While SQS cannot be reached: within 1, 2, 4 … 32 s, so that a fleet does not come back as one.
_BACKOFF_FIRST_SECONDS = 1
_DOUBLINGS_MAX = 5
# A stop is noticed within that; a signal does not end a sleep.
_NAP_SECONDS = 1.0


class Consumer:
    """Serves one queue. `run` returns once `service.stop` was called and the work is settled.

    `polled` is the queue on a client that is patient enough for `poll_seconds`.
    """

    def __init__(  # noqa: PLR0913 -- the two ends, what joins them, and the test's own time
        self,
        deduplicator: Deduplicator,
        queue: SqsQueue,
        polled: SqsQueue,
        process_event: Callable[[Envelope], object],
        *,
        batch_size: int = ENTRIES_MAX,
        poll_seconds: int = POLL_SECONDS,
        heartbeat: Heartbeat | None = None,
        sleep: Callable[[float], object] = time.sleep,
        share: Callable[[], float] = random_share,
    ) -> None:
        self.service = Service()
        self._deduplicator = deduplicator
        self._queue = queue
        self._polled = polled
        self._process_event = process_event
        self._batch_size = batch_size
        self._poll_seconds = poll_seconds
        self._heartbeat = Heartbeat(deduplicator, queue) if heartbeat is None else heartbeat
        self._sleep = sleep
        self._share = share
        self._failures = 0

    def run(self) -> None:
        """Serve until stopped. Raises `QueueError` if the queue cannot be had at the start.

        And `TypeError` if `process_event` is no plain function. Later on SQS may come and go, and
        anything may be raised: this logs it, and asks again after a while.
        """
        self._deduplicator.settle({"Records": []}, self._process_event, self.service)
        arn = self._queue.arn()
        logger.info("serving %s", arn)
        while not self.service.stopping:
            try:
                self._poll(arn)
            except Exception:
                logger.exception("a poll failed; what it received and did not do comes back")
                self._rest_after_failure()
        logger.info("stopped serving %s", arn)

    def _poll(self, arn: str) -> None:
        received = self._receive()
        if received:
            # Passed on and not kept here, where the frames of a failure could keep them alive.
            self._conclude(self._settle([_lambda_record(message, arn) for message in received]))
        self._deduplicator.record_unrecorded()

    def _receive(self) -> list[dict[str, Any]]:
        try:
            received = self._polled.receive(
                most=self._batch_size,
                wait_seconds=self._poll_seconds,
                visibility_seconds=self._heartbeat.visibility_seconds,
            )
        except QueueError as error:
            logger.warning("nothing received: %s", error)
            self._rest_after_failure()
            return []
        self._failures = 0
        return received

    def _rest_after_failure(self) -> None:
        most_seconds = _BACKOFF_FIRST_SECONDS << min(self._failures, _DOUBLINGS_MAX)
        self._failures += 1
        seconds = self._share() * most_seconds
        while seconds > 0 and not self.service.stopping:
            self._sleep(min(seconds, _NAP_SECONDS))
            seconds -= _NAP_SECONDS

    def _settle(self, records: Sequence[dict[str, Any]]) -> list[Outcome]:
        with self._heartbeat.keeping([record["receiptHandle"] for record in records]):
            return self._deduplicator.settle(
                {"Records": records}, self._process_event, self.service
            )

    def _conclude(self, outcomes: Sequence[Outcome]) -> None:
        self._delete(outcomes)
        self._bring_back(outcomes)

    def _delete(self, outcomes: Sequence[Outcome]) -> None:
        done = [one.message.receipt_handle for one in outcomes if one.fate in DELETED]
        try:
            refused = self._queue.delete(done)
        except QueueError as error:
            logger.warning("what is done comes back as duplicates: %s", error)
            return
        for reason in refused.values():
            logger.warning("a message that is done comes back as a duplicate: %s", reason)

    def _bring_back(self, outcomes: Sequence[Outcome]) -> None:
        try:
            refused = self._queue.change_visibility(changes(outcomes, self._share))
        except QueueError as error:
            logger.warning("what is not done comes back when its lease would have ended: %s", error)
            return
        for reason in refused.values():
            logger.warning("the visibility of a message was not changed: %s", reason)


def _lambda_record(received: dict[str, Any], arn: str) -> dict[str, Any]:
    """Return a received message as Lambda would deliver it, as far as the adapter reads it."""
    return {
        "messageId": received["MessageId"],
        "receiptHandle": received["ReceiptHandle"],
        "body": received["Body"],
        "attributes": received.get("Attributes", {}),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
    }
