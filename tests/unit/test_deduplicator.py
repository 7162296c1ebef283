"""What is no store, no client or no setting is refused where it is passed, and says what is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest

from cxone_idem import Deduplicator, DynamoDBStore, MemoryStore, StoreError, once
from cxone_idem.aio import AsyncDeduplicator
from cxone_idem.runtime import Runtime
from cxone_idem.stores.dynamodb import create_client
from tests.support.events import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record


def resource() -> Any:
    """Return boto3's other way to DynamoDB, whose parameters are others."""
    return boto3.resource("dynamodb")


def deduplicator(**_: object) -> Any:
    """Return one that works."""
    return Deduplicator(MemoryStore())


# Each as its caller writes it; a type checker refuses most of them.
WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "table": (lambda new: new("events"), "this is a str; .*DynamoDBStore\\(name\\)"),
    "client": (lambda new: new(create_client()), "with put_if, this is a DynamoDB; "),
    "nothing": (lambda new: new(None), "this is None;"),
    "class": (lambda new: new(MemoryStore), "this is a type;"),
    "itself": (lambda new: new(deduplicator()), "this is a Deduplicator;"),
    "settings": (lambda new: new(MemoryStore(), {"table": "t"}), "a Config, this is a dict;"),
    "no settings": (lambda new: new(MemoryStore(), ""), "a Config, this is a str;"),
    "resource": (
        lambda _: DynamoDBStore("t", resource()),
        r"low-level .*, this is a dynamodb.ServiceResource; .*boto3.client\('dynamodb'\)",
    ),
    "resource of a table": (
        lambda _: DynamoDBStore("t", resource().Table("t")),
        "this is a dynamodb.Table; .*the .meta.client of a resource",
    ),
    "other service": (lambda _: DynamoDBStore("t", boto3.client("sqs")), "this is an? SQS;"),
    "no name": (lambda _: DynamoDBStore(create_client()), "table must be a name, this is"),
    "environ": (
        lambda new: new.from_environ({}, client=resource()),
        "this is a dynamodb.ServiceResource;",
    ),
    "async": (
        lambda _: AsyncDeduplicator(MemoryStore()),  # type: ignore[arg-type]
        r"this is a MemoryStore; .*Deduplicator\(store\)",
    ),
    "once": (lambda _: once(deduplicator="x"), "a Deduplicator, this is a str;"),  # type: ignore[call-overload]
    "async once": (
        lambda _: once(deduplicator=AsyncDeduplicator(deduplicator())),  # type: ignore[call-overload]
        "this is an AsyncDeduplicator;",
    ),
    "key": (lambda _: once(key=5), "a JMESPath text or a function, this is an int;"),  # type: ignore[call-overload]
    "origin": (lambda _: deduplicator().claim("k", origin="x"), "an Origin, this is a str;"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_object_is_refused_where_it_is_passed(kind: str) -> None:
    """By what it is, what was expected, and what to write."""
    make, says = WRONG[kind]
    with pytest.raises(TypeError, match=says) as caught:
        make(Deduplicator)
    assert "; retrying does not help: " in str(caught.value)


class MistakenStore(MemoryStore):
    """Calls what is not there."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        return super().put(record, expected_version)  # type: ignore[misc, no-any-return]


class MistakenClient:
    def put_item(self) -> None:
        """Take no parameters, as no client does."""


def test_a_mistake_in_a_store_is_not_retried() -> None:
    """It would be made again, and an answer that says so ends the batch as an error."""
    says = r"raised AttributeError.*retrying does not help"
    with pytest.raises(StoreError, match=says) as caught:
        Deduplicator(MistakenStore()).process_batch(batch_of("k"), print)
    assert not caught.value.retryable
    assert caught.value.outcome_unknown


def test_a_mistake_in_a_client_is_not_retried() -> None:
    """It is sent once, without a pause."""
    pauses: list[float] = []
    store = DynamoDBStore("t", MistakenClient(), runtime=Runtime(sleep=pauses.append))
    with pytest.raises(StoreError, match=r"failed \(TypeError.*retrying does not help"):
        Deduplicator(store).claim("k")
    assert pauses == []
