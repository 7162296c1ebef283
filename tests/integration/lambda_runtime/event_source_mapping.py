"""Lambda's event source mapping for SQS: batches to a pool of runtimes, and what it deletes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.lambda_runtime.runtime import Runtime


def not_deleted(message_ids: Sequence[str], body: str) -> list[str]:
    """Return the ids that stay in the queue when a batch is answered with `body`.

    The rules are those of "Handling errors for an SQS event source in Lambda", Lambda Developer
    Guide, with `ReportBatchItemFailures` on.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        return list(message_ids)
    if not answer:
        return []
    if not isinstance(answer, dict) or "errorType" in answer:
        return list(message_ids)
    failures = answer.get("batchItemFailures") or []
    named = [failure.get("itemIdentifier") for failure in failures]
    if not set(named) <= set(message_ids):
        return list(message_ids)
    return named


class EventSourceMapping:
    """A queue whose messages come back at once when they were not deleted."""

    def __init__(self, pool: Sequence[Runtime], batch_size: int = 10) -> None:
        self._pool = pool
        self._idle: SimpleQueue[Runtime] = SimpleQueue()
        for runtime in pool:
            self._idle.put(runtime)
        self._batch_size = batch_size
        self.queue: list[dict[str, Any]] = []
        self.answers: list[str] = []

    def send(self, *records: dict[str, Any]) -> None:
        """Put messages into the queue, not received yet."""
        for record in records:
            record["attributes"]["ApproximateReceiveCount"] = "0"
        self.queue += records

    def deliver(self) -> bool:
        """Deliver the whole queue once, over all runtimes; tell whether nothing comes back."""
        batches = [
            self.queue[start : start + self._batch_size]
            for start in range(0, len(self.queue), self._batch_size)
        ]
        with ThreadPoolExecutor(len(self._pool)) as pollers:
            left = list(pollers.map(self._deliver_batch, batches))
        self.queue = [record for batch in left for record in batch]
        return not self.queue

    def output(self) -> list[str]:
        """Return what all runtimes have printed so far."""
        return [line for runtime in self._pool for line in runtime.output()]

    def _deliver_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for record in batch:
            attributes = record["attributes"]
            received = int(attributes["ApproximateReceiveCount"])
            attributes["ApproximateReceiveCount"] = str(received + 1)
        # The one that has been idle longest, so that a redelivery goes elsewhere.
        runtime = self._idle.get()
        body = runtime.invoke({"Records": batch})
        self._idle.put(runtime)
        self.answers.append(body)
        left = not_deleted([record["messageId"] for record in batch], body)
        return [record for record in batch if record["messageId"] in left]
