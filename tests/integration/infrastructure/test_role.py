"""The role allows what this library's requests need, and nothing that they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Deduplicator, DynamoDBStore
from tests.integration.infrastructure import sam
from tests.support.events import Context, batch_of, failed

if TYPE_CHECKING:
    from tests.integration.infrastructure.deployment import Deployment

pytestmark = pytest.mark.engine

# "Actions, resources, and condition keys for Amazon DynamoDB", Service Authorization Reference: a
# statement in a batch needs what it would need alone.
PARTIQL = {"INSERT": "dynamodb:PartiQLInsert", "UPDATE": "dynamodb:PartiQLUpdate"}


def actions_of(operation: str, parameters: dict[str, Any]) -> set[str]:
    """Return the IAM actions that a request needs."""
    if operation == "BatchExecuteStatement":
        return {PARTIQL[one["Statement"].split()[0]] for one in parameters["Statements"]}
    return {f"dynamodb:{operation}"}


def test_the_role_allows_what_the_requests_need(deployment: Deployment) -> None:
    """Claims, duplicates, failures, takeovers and an old marker, alone and in batches."""
    client = deployment.client("dynamodb")
    needed: set[str] = set()

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        needed.update(actions_of(model.name, params))

    client.put_item(TableName=deployment.outputs["RecordsTable"], Item={"id": {"S": "marker"}})
    client.meta.events.register("provide-client-params.dynamodb", note)
    store = DynamoDBStore(deployment.outputs["RecordsTable"], client)
    for keys in (["a", "b", "c"], ["a", "b", "d"], ["d"], ["e"], ["marker", "f"]):
        for handler in (_broken, bool):
            deduplicator = Deduplicator(store)
            response = deduplicator.process_batch(batch_of(*keys), handler, context=Context(30_000))
        assert not failed(response)
    claim = Deduplicator(store).claim("g")
    assert claim
    claim.extend()
    claim.release()
    (allowed,) = (
        said["actions"] for said in sam.stated()["role: allows"] if said["on"] == "records"
    )
    assert needed == set(allowed)


def _broken(_: dict[str, Any]) -> None:
    message = "the downstream API is down"
    raise RuntimeError(message)
