"""The fingerprint in the items of every engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cxone_idem import Deduplicator, DynamoDBStore, MessageStatus
from cxone_idem.errors import FingerprintMismatchError
from cxone_idem.protocol.store import ConditionalPut
from cxone_idem.record import Record, State
from tests.unit.events.test_fingerprint import Consumer, message


def test_every_engine_keeps_the_fingerprint(items: Any) -> None:
    """Through single writes and PartiQL, in both directions."""
    store = DynamoDBStore(items.name, items.client)
    first = Consumer(store)
    assert first.consume(message("m", "conv-1"), message("n", "conv-1", "l")) == []
    second = Consumer(DynamoDBStore(items.name, items.client))
    assert second.consume(message("m2", "conv-2"), message("n2", "conv-1", "l")) == ["m2"]
    assert second.statuses() == [MessageStatus.FINGERPRINT_MISMATCH, MessageStatus.ALREADY_DONE]
    with pytest.raises(FingerprintMismatchError):
        Deduplicator(DynamoDBStore(items.name, items.client)).claim("k", fingerprint="conv-2")


def test_a_record_written_without_a_fingerprint_keeps_none_of_an_older_one(items: Any) -> None:
    """A batch's update takes the attribute away."""
    store = DynamoDBStore(items.name, items.client)
    old = Record("a", State.IN_PROGRESS, "v1", 1, 1000, 2_000_000_000, fingerprint="f")
    writes = [ConditionalPut(old, None), ConditionalPut(replace(old, partition_key="b"), None)]
    store.put_many(writes)
    bare = replace(old, version="v2", fingerprint=None)
    store.put_many(
        [ConditionalPut(bare, "v1"), ConditionalPut(replace(bare, partition_key="b"), "v1")]
    )
    assert "fingerprint" not in items.item("a")
