"""The consumer that this library protects."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.exceptions import ClientError

from cxone_idem import Config, Deduplicator, DynamoDBStore, StoreError
from cxone_idem.protocol.store import NO_DEADLINE, Budget, PutResult
from cxone_idem.record import Record, State
from tests.verification.campaign.plan import COLD_SKEW_SECONDS, LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.protocol.store import ConditionalPut
    from tests.verification.campaign.ledger import Ledger
    from tests.verification.campaign.worker import Worker


class Sent(NamedTuple):
    """A claim, or its extension, as it was sent last."""

    at: float
    record: Record

    @property
    def stored_until(self) -> float:
        """When the lease ends as the store has it: before then nobody else may take the key."""
        return self.record.lease_until_ms / 1000 - time.time() + time.monotonic()


class TimedStore(DynamoDBStore):
    """Notes when each claim was sent, and in the ledger when each completion was answered.

    From the sending on its lease is promised to hold; until the answer a kill explains a double.
    """

    def __init__(self, table: str, ledger: Ledger) -> None:
        super().__init__(table)
        self.claims: dict[str, Sent] = {}
        self._ledger = ledger

    def put_many(
        self, writes: Sequence[ConditionalPut], budget: Budget = NO_DEADLINE
    ) -> list[PutResult | StoreError]:
        for write in writes:
            self._note_sent(write.record)
        answers = super().put_many(writes, budget)
        for write, answer in zip(writes, answers, strict=True):
            self._note_answered(write.record, answer)
        return answers

    def _note_sent(self, record: Record) -> None:
        if record.state is State.IN_PROGRESS:
            self.claims[record.partition_key] = Sent(time.monotonic(), record)

    def _note_answered(self, record: Record, answer: PutResult | StoreError) -> None:
        if record.state is State.DONE and isinstance(answer, PutResult):
            own = answer.existing is not None and answer.existing.version == record.version
            if answer.written or own:
                self._ledger.write("recorded", key=record.partition_key)


def handler(worker: Worker) -> Callable[[Any, Any], Any]:
    """Return the Lambda handler of a worker."""
    store = TimedStore(worker.job.table, worker.ledger)
    deduplicator = Deduplicator(store, Config(lease_seconds=LEASE_SECONDS), now=worker.now)

    def held(key: str) -> dict[str, Any]:
        sent, context = store.claims[key], worker.context
        return {
            "claimed": sent.at,
            "lease_until": context.until if context else sent.at + LEASE_SECONDS,
            "start_until": context.until if context else sent.stored_until,
            "generation": sent.record.generation,
            "tells_recorded": True,
        }

    def handle(event: Any, context: Any) -> Any:
        return deduplicator.process_batch(event, worker.effects.make, context=context)

    worker.held = held
    worker.vanish = _deleter(store, worker)
    if worker.job.forks or worker.job.skew_seconds > COLD_SKEW_SECONDS:
        _warm_up(deduplicator, worker.job.number)
    return handle


def _deleter(store: TimedStore, worker: Worker) -> Callable[[str], None]:
    """Return what deletes a record under its handler, unless it is another's by now."""
    session = botocore.session.get_session()
    client: Any = session.create_client("dynamodb", endpoint_url=worker.job.engine)

    def delete(key: str) -> None:
        worker.ledger.write("vanish", key=key)
        try:
            client.delete_item(
                TableName=worker.job.table,
                Key={"id": {"S": key}},
                ConditionExpression="version = :own",
                ExpressionAttributeValues={":own": {"S": store.claims[key].record.version}},
            )
        except ClientError:
            worker.ledger.write("kept", key=key)

    return delete


def _warm_up(deduplicator: Deduplicator, number: int) -> None:
    """Learn the store's clock from one answer, and leave the connection open."""
    attempt = 0
    while True:
        attempt += 1
        try:
            deduplicator.claim(f"warm-up-{number}-{attempt}")
        except StoreError:
            continue
        return
