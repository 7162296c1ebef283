"""A Lambda function behind SQS that starts one durable execution per event, named after its key.

Its event source mapping needs `ReportBatchItemFailures`, and its package boto3 1.42.1 or newer.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig

from cxone_idem import Deduplicator, current_claim

if TYPE_CHECKING:
    from collections.abc import Mapping

# A durable function is invoked by a version or an alias. Neither is part of an execution's name.
WORKFLOW = os.environ.get("WORKFLOW", "cxone-workflow")
ALIAS = os.environ.get("WORKFLOW_ALIAS", "live")

deduplicator = Deduplicator.from_environ()
# The SDK may send a start again when its answer was lost: it is the same name and payload.
lambda_client: Any = boto3.client(
    "lambda",
    config=ClientConfig(
        connect_timeout=1,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
    ),
)


def key_of(event: dict[str, Any]) -> str:
    """Return the key that the event was claimed by."""
    claim = current_claim()
    if claim is not None:
        return claim.key
    # The kill switch is set, so nothing is claimed. Change this together with CXONE_IDEM_KEY.
    key: str = event["detail"].get("IdempotencyKey") or event["id"]
    return key


def execution_name(key: str) -> str:
    """Return 64 letters and digits, as many as a name may have: the same ones for the same key."""
    return hashlib.sha256(json.dumps([WORKFLOW, key]).encode()).hexdigest()


def process_event(event: dict[str, Any]) -> None:
    """Start the event's execution. If it was started before, Lambda starts none."""
    key = key_of(event)
    name = execution_name(key)
    # Every delivery must send the same bytes: no message id, no time of now.
    payload = json.dumps({"key": key, "detail": event["detail"]}, sort_keys=True)
    lambda_client.invoke(
        FunctionName=WORKFLOW,
        Qualifier=ALIAS,
        InvocationType="Event",
        DurableExecutionName=name,
        Payload=payload.encode(),
    )
    print(f"execution {name} is started")


def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
    """Start the execution of each event of the batch once, however often it is delivered."""
    return deduplicator.process_batch(event, process_event, context=context)
