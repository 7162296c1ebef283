"""The library as a contender: `process_batch`, as README says to use it."""

from __future__ import annotations

import os
from typing import Any

from cxone_idem import Claimed, Config, Deduplicator, DynamoDBStore
from cxone_idem.stores.dynamodb import create_client
from tests.bench.contender import Context, Handler, Tap


class CxoneIdem:
    """On Lambda made by `from_environ`, with all it does in init; elsewhere on a tapped client."""

    tap: Tap

    def __init__(self, table: str, max_workers: int) -> None:
        if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
            self._deduplicator = Deduplicator.from_environ()
            return
        self._client = create_client()
        self._config = Config(table=table, max_workers=max_workers)
        self.tap = Tap(self._client)
        self.restart()

    def restart(self) -> None:
        store = DynamoDBStore(self._config.table, self._client)
        self._deduplicator = Deduplicator(store, self._config)

    def deliver(self, event: dict[str, Any], handler: Handler) -> None:
        response = self._deduplicator.process_batch(event, handler, context=Context())
        assert response == {"batchItemFailures": []}, response

    def one(self, key: str) -> None:
        claim = self._deduplicator.claim(key)
        if isinstance(claim, Claimed):
            claim.complete()
