"""A consumer on the real Powertools alone, and a deduplicator on its table by the guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from cxone_idem import Config, Deduplicator, DynamoDBStore
from examples.migration.powertools_key import PowertoolsKey
from tests.support.events import Context, envelope

RESULT = {"id": 1}


def event_of(key: str) -> dict[str, Any]:
    """Return an event whose work names its key."""
    return envelope(detail={"IdempotencyKey": key, "conversationId": key, "amount": 0.1})


def key_of(data: Any) -> str:
    """Return the key that `Old.run` writes by default."""
    return PowertoolsKey("old")(data)


@dataclass
class Old:
    """The consumer before: Powertools alone, on a table of its own."""

    items: Any
    settings: str = ""
    """The guide's, for the consumer after."""

    def layer(self) -> DynamoDBPersistenceLayer:
        """Return the real layer."""
        return DynamoDBPersistenceLayer(table_name=self.items.name, boto3_client=self.items.client)

    def run(self, data: Any, work: Any = lambda **_: RESULT, **settings: Any) -> Any:
        """Do the work of `data` under `@idempotent_function`."""
        context: Any = settings.pop("context", Context(30_000))
        prefix = settings.pop("key_prefix", "old")
        config = IdempotencyConfig(lambda_context=context, **settings)
        decorate = idempotent_function(
            data_keyword_argument="data",
            config=config,
            persistence_store=self.layer(),
            key_prefix=prefix,
        )
        return decorate(work)(data=data)

    def ids(self) -> list[str]:
        """Return the ids of all items."""
        found = self.items.client.scan(TableName=self.items.name)["Items"]
        return [item["id"]["S"] for item in found]

    def after(self) -> Deduplicator:
        """Return a deduplicator with the guide's settings that remembers nothing of its own."""
        settings = dict(line.split("=") for line in self.settings.split())
        config = Config.from_environ({**settings, "CXONE_IDEM_TABLE": self.items.name})
        store = DynamoDBStore(config.table, self.items.client, ttl_attribute=config.ttl_attribute)
        return Deduplicator(store, config)
