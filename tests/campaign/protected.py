"""The consumer that this library protects."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cxone_idem import Config, Deduplicator, DynamoDBStore, StoreError
from cxone_idem.record import Record, State
from tests.campaign.plan import COLD_SKEW_SECONDS, LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.store import Answer
    from tests.campaign.worker import Worker


class TimedStore(DynamoDBStore):
    """Notes when the newest claim was sent: from then on its lease is promised to hold."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.claimed = 0.0
        self.generation = 0

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        if record.state is State.IN_PROGRESS:
            self.claimed = time.monotonic()
            self.generation = record.generation
        return super().put_if(record, expected_version)


def handler(worker: Worker) -> Callable[[Any, Any], Any]:
    """Return the Lambda handler of a worker."""
    store = TimedStore(worker.job.table)
    deduplicator = Deduplicator(store, Config(lease_seconds=LEASE_SECONDS), now=worker.now)

    def held() -> dict[str, Any]:
        until = worker.context.until if worker.context else store.claimed + LEASE_SECONDS
        return {"claimed": store.claimed, "lease_until": until, "generation": store.generation}

    def handle(event: Any, context: Any) -> Any:
        return deduplicator.process_batch(event, worker.effects.make, context=context)

    worker.held = held
    if worker.job.skew_seconds > COLD_SKEW_SECONDS:
        _warm_up(deduplicator, worker.job.number)
    return handle


def _warm_up(deduplicator: Deduplicator, number: int) -> None:
    """Learn the store's clock from one answer."""
    attempt = 0
    while True:
        attempt += 1
        try:
            deduplicator.claim(f"warm-up-{number}-{attempt}")
        except StoreError:
            continue
        return
