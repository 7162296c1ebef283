"""AWS Lambda Powertools as a contender: its batch processor around its idempotency decorator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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

from tests.bench.contender import REMAINING_MS
from tests.bench.tap import Tap
from tests.support.events import Context

if TYPE_CHECKING:
    from collections.abc import Callable


class Powertools:
    """Batch and idempotency together, keyed as we are."""

    name = "Powertools"

    def __init__(self, table: str) -> None:
        self._layer = DynamoDBPersistenceLayer(table_name=table)
        self._config = IdempotencyConfig(event_key_jmespath="detail.IdempotencyKey")
        self._processor = BatchProcessor(event_type=EventType.SQS)
        self._handler: Callable[[Any], object] = bool
        self.tap = Tap(self._layer.client)

        @idempotent_function(  # type: ignore[untyped-decorator, unused-ignore]
            data_keyword_argument="envelope", config=self._config, persistence_store=self._layer
        )
        def process(envelope: dict[str, Any]) -> None:
            self._handler(envelope)

        self._process = process

    def restart(self) -> None:
        pass

    def deliver(self, event: dict[str, Any], handler: Callable[[Any], object]) -> None:
        context: Any = Context(REMAINING_MS)
        self._handler = handler
        self._config.register_lambda_context(context)
        response = process_partial_response(
            event=event,
            record_handler=lambda record: self._process(envelope=json.loads(record.body)),
            processor=self._processor,
            context=context,
        )
        assert response == {"batchItemFailures": []}, response
