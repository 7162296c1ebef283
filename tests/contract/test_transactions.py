"""The completion as an item of a transaction, on every engine."""

from __future__ import annotations

from typing import Any

from cxone_idem import Deduplicator, DynamoDBStore


def test_an_item_is_the_conditional_put(items: Any) -> None:
    """Table, whole record, the claim's condition, and the refusing item comes back."""
    claim = Deduplicator(DynamoDBStore(items.name, items.client)).claim("k")
    assert claim
    before = claim.record
    (put,) = claim.transaction_item().values()
    assert put["TableName"] == items.name
    assert put["Item"]["state"] == {"S": "DONE"}
    assert put["Item"]["version"] != {"S": before.version}
    assert put["ConditionExpression"] == "#version = :expected"
    assert put["ExpressionAttributeValues"] == {":expected": {"S": before.version}}
    assert put["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
    assert claim.record is before
