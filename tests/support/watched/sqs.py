"""The SQS example as a watched Lambda function, and a control without the library."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session

from tests.support.watched.work import journal, process_event

# Only now, when `work` notes the clients that are made.
from examples.sqs_lambda import handler as example  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

example.process_event = process_event
journal.note("initialised")


def once(event: dict[str, Any], context: Any) -> Any:
    """Handle a batch as the example does."""
    return _watched(example.handler, event, context)


def every_time(event: dict[str, Any], context: Any) -> Any:
    """Handle a batch without the library: whatever is delivered is processed."""
    return _watched(_without_the_library, event, context)


def _without_the_library(event: dict[str, Any], _: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        try:
            process_event(json.loads(record["body"]))
        except RuntimeError:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def _watched(
    handle: Callable[[dict[str, Any], Any], Any], event: dict[str, Any], context: Any
) -> Any:
    records = event["Records"]
    for record in records:
        _note_delivery(record)
    answer = handle(event, context)
    if any(_loses_its_answer(record) for record in records):
        _bring_back_at_once(records)
        os._exit(1)
    failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    _bring_back_at_once([record for record in records if record["messageId"] in failed])
    return answer


def _note_delivery(record: dict[str, Any]) -> None:
    envelope = json.loads(record["body"])
    journal.note(
        "delivered",
        key=envelope["detail"]["IdempotencyKey"],
        event_id=envelope["id"],
        message_id=record["messageId"],
        receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
    )


def _loses_its_answer(record: dict[str, Any]) -> bool:
    match json.loads(record["body"])["detail"].get("fault"):
        case "dies once":
            return bool(record["attributes"]["ApproximateReceiveCount"] == "1")
        case "dies until mended":
            return not journal.entries("mended")
    return False


def _bring_back_at_once(records: Sequence[dict[str, Any]]) -> None:
    """End the visibility timeout of what will not be deleted, so that no test waits for it."""
    for record in records:
        if "QUEUE_URL" in os.environ:
            _sqs().change_message_visibility(
                QueueUrl=os.environ["QUEUE_URL"],
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=0,
            )


@cache
def _sqs() -> Any:
    return botocore.session.get_session().create_client("sqs")
