"""The consumer that checks, processes and inserts: the negative control."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cxone_idem.stores.dynamodb import create_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.verification.campaign.worker import Worker


def handler(worker: Worker) -> Callable[[Any, Any], Any]:
    """Return the Lambda handler of a worker."""
    client = create_client()

    def process(body: str) -> None:
        envelope = json.loads(body)
        key = {"id": {"S": envelope["detail"]["IdempotencyKey"]}}
        if "Item" in client.get_item(TableName=worker.job.table, Key=key):
            return
        worker.effects.make(envelope)
        client.put_item(TableName=worker.job.table, Item=key)

    def handle(event: Any, _: Any) -> Any:
        failures = []
        for record in event["Records"]:
            try:
                process(record["body"])
            except Exception as error:  # noqa: BLE001 -- whatever it is, the message comes back
                worker.ledger.write("failed", about=record["messageId"], text=str(error)[:300])
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    # It has no lease that could lapse.
    worker.held = lambda key: {**worker.held_until_the_deadline(key), "lease_until": None}
    return handle
