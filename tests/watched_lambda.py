"""The SQS example as a Lambda function that is watched, and a control without the library.

An event says by `detail.fault` what goes wrong with it on its way, so that the same function serves
every test. Effects are noted in the file that `JOURNAL` names.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.session import Session

from tests.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

journal = Journal(Path(os.environ["JOURNAL"]))
_create_client = Session.create_client


def _noted_create_client(session: Session, service_name: str, *args: Any, **kwargs: Any) -> Any:
    journal.note("client", service=service_name)
    return _create_client(session, service_name, *args, **kwargs)


# Before the example is imported: it makes its client while it is.
Session.create_client = _noted_create_client  # type: ignore[method-assign,assignment]

from examples.sqs_lambda import handler as example  # noqa: E402

journal.note("initialised")


def process_event(event: dict[str, Any]) -> None:
    """Have the effect, unless the event's fault comes first."""
    detail = event["detail"]
    key, fault = detail["IdempotencyKey"], detail.get("fault")
    attempts_before = len(journal.entries("started", key=key))
    journal.note("started", key=key)
    if fault == "poison" or (fault == "fails once" and not attempts_before):
        raise RuntimeError(fault)
    if fault == "hangs once" and not attempts_before:
        threading.Event().wait()
    journal.note("effect", key=key)


example.process_event = process_event


def once(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a batch as the example does."""
    return _watched(example.handler, event, context)


def every_time(event: dict[str, Any], context: Any) -> dict[str, Any]:
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
    handle: Callable[[dict[str, Any], Any], dict[str, Any]], event: dict[str, Any], context: Any
) -> dict[str, Any]:
    for record in event["Records"]:
        _note_delivery(record)
    answer = handle(event, context)
    if any(_loses_its_answer(record) for record in event["Records"]):
        os._exit(1)
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
    detail: dict[str, Any] = json.loads(record["body"])["detail"]
    first = record["attributes"]["ApproximateReceiveCount"] == "1"
    return first and detail.get("fault") == "dies before the answer"
