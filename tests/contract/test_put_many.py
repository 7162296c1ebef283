"""Several conditional writes in one request do what one by one would have done."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from cxone_idem import DynamoDBStore, MemoryStore, StoreError
from cxone_idem.protocol.store import ConditionalPut, PutResult
from cxone_idem.record import NO_VERSION, Origin, Record, State
from cxone_idem.runtime import Runtime
from tests.support.aws_answers import Body, refusal
from tests.support.clocks import MovableClock
from tests.support.engines import client_for, send

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

BATCH = "before-send.dynamodb.BatchExecuteStatement"


def record(key: str, version: str, state: State = State.IN_PROGRESS, **fields: Any) -> Record:
    """Return a record with an origin, as batches write it."""
    origin = Origin(message_id=f"message of {key}", receive_count=1)
    return Record(key, state, version, 1, 1000, 2_000_000_000, 500, origin=origin, **fields)


def put_many(store: Any, *writes: ConditionalPut) -> list[tuple[bool, Record | None]]:
    """Write, and return for each write whether it was taken and what refused it."""
    answers: list[PutResult | StoreError] = store.put_many(list(writes))
    assert not [answer for answer in answers if isinstance(answer, StoreError)]
    return [
        (answer.written, answer.existing) for answer in answers if isinstance(answer, PutResult)
    ]


def one_by_one(store: MemoryStore, *writes: ConditionalPut) -> list[tuple[bool, Record | None]]:
    """Do the same by single writes on the reference store."""
    answers = [store.put_if(*write) for write in writes]
    return [(answer.written, answer.existing) for answer in answers]


@pytest.fixture
def store(items: Any) -> DynamoDBStore:
    """Return a DynamoDB store on each engine, those without PartiQL included."""
    return DynamoDBStore(items.name, items.client)


def test_many_at_once_are_as_many_one_by_one(store: DynamoDBStore) -> None:
    """Inserts, updates, refusals of both kinds and what refused them, as the memory store says."""
    reference = MemoryStore()
    rounds = [
        [ConditionalPut(record(key, "v1"), None) for key in "abcd"],
        [
            ConditionalPut(record("a", "v2"), None),
            ConditionalPut(record("b", "v2", State.DONE, done_at_ms=700), "v1"),
            ConditionalPut(record("c", "v2", State.RELEASED), "other"),
            ConditionalPut(record("e", "v2"), None),
            ConditionalPut(record("f", "v2"), "v1"),
        ],
        [ConditionalPut(record(key, "v3"), "v2") for key in "abcdef"],
        [ConditionalPut(record(key, "v4"), "v3") for key in "be"],
    ]
    for writes in rounds:
        assert put_many(store, *writes) == one_by_one(reference, *writes)


def test_an_update_leaves_nothing_of_the_old_record(store: DynamoDBStore, items: Any) -> None:
    """A write is of the whole record: what the new one does not have is removed."""
    done = record("a", "v1", State.DONE, done_at_ms=700, result="[1]")
    put_many(store, ConditionalPut(done, None), ConditionalPut(record("b", "v1"), None))
    bare = Record("a", State.RELEASED, "v2", 1, 1000, None)
    put_many(store, ConditionalPut(bare, "v1"), ConditionalPut(record("b", "v2"), "v1"))
    assert set(items.item("a")) == {"id", "state", "version", "generation", "lease_until_ms"}


def test_more_than_one_request_can_hold(store: DynamoDBStore) -> None:
    """Sixty writes go in three requests and come back in order."""
    writes = [ConditionalPut(record(f"key-{number}", "v1"), None) for number in range(60)]
    assert put_many(store, *writes) == [(True, None)] * 60
    again = [ConditionalPut(record(f"key-{number}", "v2"), None) for number in range(60)]
    seen = put_many(store, *again)
    assert [standing and standing.partition_key for _, standing in seen] == [
        f"key-{number}" for number in range(60)
    ]


def test_a_marker_without_version_is_written_over_in_a_batch_too(
    store: DynamoDBStore, items: Any
) -> None:
    """PartiQL has no words for that condition, so such a batch goes one by one."""
    items.put_raw({"id": {"S": "a"}})
    writes = [
        ConditionalPut(record("a", "v1"), NO_VERSION),
        ConditionalPut(record("b", "v1"), NO_VERSION),
    ]
    assert put_many(store, *writes) == [(True, None), (False, None)]


def test_a_foreign_item_fails_its_own_write_alone(store: DynamoDBStore, items: Any) -> None:
    """The neighbours in the request are written."""
    items.put_raw({"id": {"S": "a"}, "state": {"S": "ODD"}})
    new = [ConditionalPut(record(key, "v1"), None) for key in "ab"]
    _, written = store.put_many(new)
    assert isinstance(written, PutResult)
    assert written.written
    over = [ConditionalPut(write.record, write.record.version) for write in new]
    foreign, written = store.put_many(over)
    assert isinstance(foreign, StoreError)
    assert isinstance(written, PutResult)
    assert written.written


def test_odd_attribute_names_are_quoted(items: Any) -> None:
    """A TTL attribute may have any name, quotes included."""
    store = DynamoDBStore(items.name, items.client, ttl_attribute="t't\"l")
    for version, expected in (("v1", None), ("v2", "v1")):
        writes = [ConditionalPut(record(key, version), expected) for key in "ab"]
        assert put_many(store, *writes) == [(True, None)] * 2
    assert items.item("a")["t't\"l"] == {"N": "2000000000"}


def needing_batches(items: Any) -> Any:
    """Return the table if its engine has PartiQL batches."""
    if items.endpoint is None:
        pytest.skip("this engine has no PartiQL batches")
    return items


def test_a_lost_answer_to_a_batch_is_recognised(items: Any) -> None:
    """The SDK repeats the request; every insert and update finds its own version standing."""
    table = needing_batches(items)
    lost: list[AWSPreparedRequest] = []

    def lose(request: AWSPreparedRequest, **_: object) -> None:
        if len(lost) < 1:
            lost.append(request)
            send(request)
            raise ConnectionClosedError(endpoint_url=request.url)

    table.client.meta.events.register_first(BATCH, lose)
    store = DynamoDBStore(table.name, table.client)
    inserts = [ConditionalPut(record(key, "v1"), None) for key in "abc"]
    updates = [ConditionalPut(record(key, "v2", State.DONE), "v1") for key in "abc"]
    for writes in (inserts, updates):
        lost.clear()
        assert put_many(store, *writes) == [(False, write.record) for write in writes]
        assert len(lost) == 1


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "UnknownOperationException", "ValidationException", "500"],
)
def test_without_batches_each_write_is_a_request_of_its_own(
    items: Any,
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A role or an engine without PartiQL: found out once in a while, said so, and all works.

    Only a refused role is a warning. moto's server answers with a 500 and a page.
    """
    needing_batches(items)
    asked: list[AWSPreparedRequest] = []

    def refuse(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        asked.append(request)
        body = "<html>" if code == "500" else f'{{"__type": "x#{code}", "message": "no"}}'
        headers: Any = {}
        return AWSResponse(request.url, 500 if code == "500" else 400, headers, Body(body.encode()))

    client = client_for(items.endpoint, attempts=1)
    client.meta.events.register_first(BATCH, refuse)
    clock = MovableClock()
    store = DynamoDBStore(items.name, client, runtime=Runtime(monotonic=clock))
    caplog.set_level(logging.INFO, "cxone_idem")
    for version in ("v1", "v2", "v3"):
        writes = [ConditionalPut(record(key + version, version), None) for key in "ab"]
        assert put_many(store, *writes) == [(True, None)] * 2
    (said,) = caplog.records
    assert said.levelname == ("WARNING" if code.startswith("AccessDenied") else "INFO")
    assert ("dynamodb:PartiQLInsert" in caplog.text) == (said.levelname == "WARNING")
    assert len(asked) == 1
    clock.advance(301)
    put_many(store, *(ConditionalPut(record(key, "later"), None) for key in "ab"))
    assert len(asked) == 2


@pytest.mark.parametrize(
    "code",
    ["ExpiredTokenException", "UnrecognizedClientException", "ValidationException"],
)
def test_a_refusal_that_passes_does_not_end_batches(items: Any, code: str) -> None:
    """An expired token, or one write that DynamoDB takes in no form, says nothing of batches."""
    needing_batches(items)
    asked: list[AWSPreparedRequest] = []
    refusing = [True]

    def refuse(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        asked.append(request)
        return refusal(request, code) if refusing[0] else None

    items.client.meta.events.register_first("before-send.dynamodb", refuse)
    store = DynamoDBStore(items.name, items.client)
    writes = [ConditionalPut(record(key, "v1"), None) for key in "ab"]
    assert all(isinstance(answer, StoreError) for answer in store.put_many(writes))
    refusing[0] = False
    asked.clear()
    assert put_many(store, *writes) == [(True, None)] * 2
    assert len(asked) == 1


def test_statements_that_are_throttled_are_sent_again_together(items: Any) -> None:
    """The SDK retries a whole request, not a statement."""
    needing_batches(items)
    sent: list[AWSPreparedRequest] = []
    body = (
        b'{"Responses": [{"Error": {"Code": "ThrottlingError", "Message": "slow down"}},'
        b' {"Error": {"Code": "ProvisionedThroughputExceeded", "Message": "slow down"}}]}'
    )

    def throttle(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        headers: Any = {}
        sent.append(request)
        if len(sent) > 2:
            return None
        return AWSResponse(request.url, 200, headers, Body(body))

    items.client.meta.events.register_first(BATCH, throttle)
    slept: list[float] = []
    store = DynamoDBStore(items.name, items.client, runtime=Runtime(sleep=slept.append))
    writes = [ConditionalPut(record(key, "v1"), None) for key in "ab"]
    assert put_many(store, *writes) == [(True, None)] * 2
    assert items.item("a")["version"] == {"S": "v1"}
    assert len(sent) == 3
    assert [0.05 <= slept[0] <= 0.1, 0.1 <= slept[1] <= 0.2] == [True, True]


def test_an_unreachable_store_answers_every_write_with_its_failure(items: Any) -> None:
    """No single writes follow: each would wait for the same time-outs."""
    attempts: list[AWSPreparedRequest] = []

    def cut(request: AWSPreparedRequest, **_: object) -> None:
        attempts.append(request)
        raise ConnectionClosedError(endpoint_url=request.url)

    items.client.meta.events.register_first(BATCH, cut)
    store = DynamoDBStore(items.name, items.client)
    before = items.requests
    answers = store.put_many([ConditionalPut(record(key, "v1"), None) for key in "ab"])
    assert [isinstance(answer, StoreError) and answer.outcome_unknown for answer in answers] == [
        True,
        True,
    ]
    assert items.requests == before
    assert attempts
