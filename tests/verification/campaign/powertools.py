"""AWS Lambda Powertools as the consumer: BatchProcessor and idempotent_function, as documented.

Settings, so that it is compared fairly: the key is the event's own (`detail.IdempotencyKey`), a
missing one raises, the Lambda context is registered (its locks then end with the invocation), and
its client has the time-outs and attempts of ours. All else is its default.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities import batch, idempotency
from botocore.config import Config as ClientConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.verification.campaign.worker import Worker

_CLIENT = ClientConfig(
    connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 4}
)


def handler(worker: Worker) -> Callable[[Any, Any], Any]:
    """Return the Lambda handler of a worker."""
    os.environ.update(POWERTOOLS_DEV="false", AWS_LAMBDA_FUNCTION_NAME="campaign")
    config = idempotency.IdempotencyConfig(
        event_key_jmespath="detail.IdempotencyKey", raise_on_no_idempotency_key=True
    )
    _set_clock(worker)
    process = idempotency.idempotent_function(
        worker.effects.make,
        data_keyword_argument="envelope",
        persistence_store=idempotency.DynamoDBPersistenceLayer(
            table_name=worker.job.table, boto_config=_CLIENT
        ),
        config=config,
    )
    processor = batch.BatchProcessor(event_type=batch.EventType.SQS)

    def handle_record(record: Any) -> None:
        try:
            process(envelope=json.loads(record.body))
        except Exception as error:
            worker.ledger.write("failed", about=record.message_id, text=_reason(error))
            raise

    def handle(event: Any, context: Any) -> Any:
        config.register_lambda_context(context)
        return batch.process_partial_response(event, handle_record, processor, context)

    return handle


def _set_clock(worker: Worker) -> None:
    """Give its modules the worker's clock, as if the machine's were off."""

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.fromtimestamp(worker.now(), tz)

    shifted = SimpleNamespace(**{**vars(dt), "datetime": Shifted})
    for name in ("base", "persistence.base", "persistence.datarecord", "persistence.dynamodb"):
        module = import_module(f"{idempotency.__name__}.{name}")
        if module.dt is not dt:
            message = f"{module.__name__} reads its clock in another way than 3.37 does"
            raise RuntimeError(message)
        vars(module)["dt"] = shifted


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
