"""AWS Lambda Powertools as a contender: its batch processor around its idempotency decorator."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from tests.bench.contender import Contender, Context, Handler, Tap


class Powertools(Contender):
    """Batch and idempotency together, keyed as we are. It has no threads for a batch."""

    def __init__(self, table: str, _: int) -> None:
        self._layer = DynamoDBPersistenceLayer(table_name=table)
        self._config = IdempotencyConfig(event_key_jmespath="detail.IdempotencyKey")
        self._processor = BatchProcessor(event_type=EventType.SQS)
        self._handler: Handler = bool
        self.tap = Tap(self._layer.client)

        @idempotent_function(  # type: ignore[untyped-decorator, unused-ignore]
            data_keyword_argument="envelope", config=self._config, persistence_store=self._layer
        )
        def process(envelope: dict[str, Any]) -> None:
            self._handler(envelope)

        self._process = process

    def deliver(self, event: dict[str, Any], handler: Handler) -> None:
        context: Any = Context()
        self._handler = handler
        self._config.register_lambda_context(context)
        response = process_partial_response(
            event=event,
            record_handler=lambda record: self._process(envelope=json.loads(record.body)),
            processor=self._processor,
            context=context,
        )
        assert response == {"batchItemFailures": []}, response

    def one(self, key: str) -> None:
        self._handler = bool
        self._config.register_lambda_context(Context())  # type: ignore[arg-type]
        self._process(envelope={"detail": {"IdempotencyKey": key}})
