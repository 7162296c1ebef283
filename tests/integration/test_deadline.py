"""With Lambda's context every verb answers before the deadline, whatever DynamoDB does."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config as ClientConfig

from cxone_idem import AlreadyDone, Deduplicator, DynamoDBStore, MessageStatus, StoreError, once
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from cxone_idem.testing.events import FakeContext, failed_ids, sqs_event_of
from examples.local_stack import free_port
from tests.support.scripted_dynamodb import (
    ScriptedDynamoDB,
    failing,
    of_completions,
    silent,
    throttled,
    well,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxone_idem import Outcome

LAMBDA_DEFAULT_SECONDS = 3
SCRIPTS = {
    "throttled": throttled,
    "server error": failing(500, "InternalServerError"),
    "silent": silent,
}


class Invocation(FakeContext):
    """A context that counts down, as Lambda's does."""

    def __init__(self, seconds: float = LAMBDA_DEFAULT_SECONDS) -> None:
        super().__init__()
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._deadline - time.monotonic()) * 1000)


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedDynamoDB]:
    """Return a scripted DynamoDB, which the default client talks to."""
    with ScriptedDynamoDB().running() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
        yield server


@pytest.fixture(params=SCRIPTS)
def broken(request: pytest.FixtureRequest) -> Any:
    """Return a script of each kind of failure."""
    return SCRIPTS[request.param]


def deduplicator(**settings: Any) -> Deduplicator:
    """Return what a Lambda function makes."""
    return Deduplicator.from_environ({}, **settings)


def test_claims_that_cannot_be_made_fail_their_messages_in_time(
    dynamodb: ScriptedDynamoDB, broken: Any
) -> None:
    """Ten messages, none claimed: all come back, and none ran."""
    dynamodb.script = broken
    context = Invocation()
    ran: list[Any] = []
    response = deduplicator().process_batch(
        sqs_event_of(*"abcdefghij"), ran.append, context=context
    )
    assert context.get_remaining_time_in_millis() > 0
    assert (len(failed_ids(response)), ran) == (10, [])


def test_completions_that_cannot_be_written_are_remembered_in_time(
    dynamodb: ScriptedDynamoDB, broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What ran is acknowledged, logged, known to this process, and recorded next time."""
    caplog.set_level(logging.ERROR, "cxone_idem")
    dynamodb.script = of_completions(broken)
    outcomes: list[Outcome] = []
    ran: list[Any] = []
    worker = deduplicator(on_outcome=outcomes.append)
    context = Invocation()
    event = sqs_event_of(*"abcdefghij")
    assert failed_ids(worker.process_batch(event, ran.append, context=context)) == []
    assert context.get_remaining_time_in_millis() > 0
    assert {outcome.status for outcome in outcomes} == {MessageStatus.UNRECORDED}
    assert len(caplog.records) == 10
    dynamodb.script = well
    assert failed_ids(worker.process_batch(event, ran.append, context=Invocation())) == []
    assert len(ran) == 10


def test_a_batch_of_any_size_answers_in_time(dynamodb: ScriptedDynamoDB) -> None:
    """What there is no time to ask for is not started."""
    dynamodb.script = silent
    context = Invocation()
    keys = [f"k{number}" for number in range(300)]
    response = deduplicator().process_batch(sqs_event_of(*keys), print, context=context)
    assert context.get_remaining_time_in_millis() > 0
    assert len(failed_ids(response)) == 300


def test_nobody_listening_is_found_out_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is a failure like another."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{free_port()}")
    context = Invocation()
    response = deduplicator().process_batch(sqs_event_of("a", "b"), print, context=context)
    assert failed_ids(response) == ["m0", "m1"]
    assert context.get_remaining_time_in_millis() > 0


@pytest.mark.parametrize("count", [1, 10, 25, 100])
def test_requests_under_throttling_do_not_grow_with_the_batch(
    dynamodb: ScriptedDynamoDB, count: int
) -> None:
    """At most four attempts for each 25 messages, and no release: nothing was written."""
    dynamodb.script = throttled
    keys = [f"k{number}" for number in range(count)]
    deduplicator().process_batch(sqs_event_of(*keys), print, context=FakeContext())
    assert len(dynamodb.operations) == 4 * math.ceil(count / 25)


@pytest.mark.parametrize("count", [10, 100])
def test_requests_without_batches_do_not_grow_either(
    dynamodb: ScriptedDynamoDB, count: int
) -> None:
    """A role without PartiQL: after one throttled PutItem no other follows at once."""

    def script(operation: str, request: dict[str, Any]) -> Any:
        if operation == "BatchExecuteStatement":
            return failing(400, "AccessDeniedException")(operation, request)
        return throttled(operation, request)

    dynamodb.script = script
    keys = [f"k{number}" for number in range(count)]
    deduplicator().process_batch(sqs_event_of(*keys), print, context=FakeContext())
    assert len(dynamodb.operations) <= 8 * math.ceil(count / 25)


def test_one_hot_key_does_not_keep_others_from_their_turn(dynamodb: ScriptedDynamoDB) -> None:
    """Without batches too: the key that is throttled comes last in the next round."""

    def script(operation: str, request: dict[str, Any]) -> Any:
        if operation == "BatchExecuteStatement":
            return failing(400, "AccessDeniedException")(operation, request)
        hot = request["Item"]["id"]["S"] == "a"
        return (throttled if hot else well)(operation, request)

    dynamodb.script = script
    response = deduplicator().process_batch(sqs_event_of(*"abcd"), lambda _: None)
    assert failed_ids(response) == ["m0"]


def test_a_client_that_waits_for_a_minute_is_not_waited_for(dynamodb: ScriptedDynamoDB) -> None:
    """A client of the user's own keeps its time-outs; the answer to Lambda is in time."""
    dynamodb.script = silent
    client = boto3.client(
        "dynamodb", endpoint_url=dynamodb.url, config=ClientConfig(retries={"max_attempts": 0})
    )
    context = Invocation()
    worker = Deduplicator(DynamoDBStore("t", client))
    assert failed_ids(worker.process_batch(sqs_event_of("a", "b"), print, context=context)) == [
        "m0",
        "m1",
    ]
    assert context.get_remaining_time_in_millis() > 0


def test_the_single_verbs_answer_in_time(dynamodb: ScriptedDynamoDB) -> None:
    """Both raise; the completion is remembered."""
    worker, context = deduplicator(), Invocation()
    claim = worker.claim("k", context=context)
    assert claim
    dynamodb.script = silent
    with pytest.raises(StoreError) as caught:
        claim.complete()
    assert caught.value.outcome_unknown
    assert context.get_remaining_time_in_millis() > 0
    dynamodb.script = well
    assert isinstance(worker.claim("k", context=Invocation()), AlreadyDone)


def test_once_answers_in_time(dynamodb: ScriptedDynamoDB) -> None:
    """What ran is returned though DynamoDB does not take its completion."""
    dynamodb.script = of_completions(silent)

    @once(key="id", deduplicator=deduplicator())
    def work(event: Any, context: Any) -> str:
        return f"{event['id']} {bool(context)}"

    context = Invocation()
    assert work({"id": "k"}, context) == "k True"
    assert context.get_remaining_time_in_millis() > 0


def test_async_verbs_answer_in_time(dynamodb: ScriptedDynamoDB) -> None:
    """The same for asyncio."""
    dynamodb.script = silent
    worker = AsyncDeduplicator(deduplicator())
    context = Invocation()

    async def ran(_: Any) -> None: ...

    response = asyncio.run(worker.process_batch(sqs_event_of("a"), ran, context=context))
    assert failed_ids(response) == ["m0"]
    assert context.get_remaining_time_in_millis() > 0


def test_without_time_nothing_is_sent(dynamodb: ScriptedDynamoDB) -> None:
    """No request begins that could outlast the invocation."""
    with pytest.raises(StoreError, match="ends too soon") as caught:
        deduplicator().claim("k", context=FakeContext(remaining_ms=300))
    assert not caught.value.outcome_unknown
    assert dynamodb.operations == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"Responses": None},
        {"Responses": []},
        {"Responses": [{}]},
        {"Responses": [{}, {}, {}]},
        {"Responses": [{"Error": "odd"}, {"Error": 5}]},
        {"Responses": [{"Error": {}}, {"Error": {"Code": None}}]},
        {"Responses": ["odd", None]},
        b"not JSON",
        b"[]",
    ],
    ids=str,
)
def test_an_answer_nobody_specified_is_an_unknown_outcome(
    dynamodb: ScriptedDynamoDB, answer: Any
) -> None:
    """Claims fail their messages; completions are remembered, and no key runs twice here."""

    def odd(operation: str, request: dict[str, Any]) -> Any:
        if operation == "BatchExecuteStatement":
            return 200, answer
        return failing(500, "InternalServerError")(operation, request)

    ran: list[Any] = []
    worker = deduplicator()
    dynamodb.script = odd
    assert len(failed_ids(worker.process_batch(sqs_event_of(*"ab"), ran.append))) == 2
    dynamodb.script = of_completions(odd)
    for _ in range(3):
        assert failed_ids(worker.process_batch(sqs_event_of(*"cd"), ran.append)) == []
    assert len(ran) == 2
