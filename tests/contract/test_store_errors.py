"""Errors of a table that is missing or has another shape, on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from cxone_idem import Deduplicator, DynamoDBStore, StoreError


def test_a_missing_table_on_a_real_engine(items: Any) -> None:
    """Engines speak as AWS does."""
    with pytest.raises(StoreError, match="no such table"):
        Deduplicator(DynamoDBStore("not-there", items.client)).claim("k")


@pytest.mark.parametrize("schema", ["sort key", "other name"])
def test_a_table_of_another_shape_on_a_real_engine(items: Any, schema: str) -> None:
    """What engines say of a table with a sort key, or with a key of another name, is understood."""
    name = f"{items.name}-{schema.replace(' ', '-')}"
    attributes = ["id", "sk"] if schema == "sort key" else ["pk"]
    items.client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": one, "KeyType": kind}
            for one, kind in zip(attributes, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in attributes],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(StoreError, match="not one text attribute of the expected name"):
        Deduplicator(DynamoDBStore(name, items.client)).claim("k")
