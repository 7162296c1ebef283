"""Processes that were forked from one another never take each other's answers for their own."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Deduplicator, DynamoDBStore, StoreError
from cxone_idem.record import Record, State
from cxone_idem.runtime import Runtime
from cxone_idem.sqs import visibility
from cxone_idem.stores.dynamodb_item import Layout
from cxone_idem.testing.events import failed_ids, sqs_event_of
from tests.support.scripted_dynamodb import ScriptedDynamoDB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedDynamoDB]:
    """Return a scripted DynamoDB, which the default client talks to."""
    with ScriptedDynamoDB().running() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
        yield server


def in_a_child(work: Callable[[], object]) -> None:
    """Run `work` in a forked child, and wait for it."""
    with warnings.catch_warnings():
        # The server's threads are of no use to the child.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_a_child_makes_connections_of_its_own(dynamodb: ScriptedDynamoDB) -> None:
    """Parent, child and parent again: the child's request comes from another port."""
    worker = Deduplicator.from_environ({})
    worker.claim("a")
    in_a_child(lambda: worker.claim("b"))
    worker.claim("c")
    first, second, third = dynamodb.connections
    assert first == third != second


@pytest.mark.parametrize("keys", [["k"], ["k", "l"]], ids=["single", "batch"])
def test_an_answer_about_another_key_is_never_believed(
    dynamodb: ScriptedDynamoDB, keys: list[str]
) -> None:
    """Neither a done record nor one in progress of another key decides on this one."""
    other = Layout().to_item(Record("other", State.DONE, "v", 1, 0, None))

    def script(operation: str, request: dict[str, Any]) -> Any:
        if operation == "BatchExecuteStatement":
            error = {"Code": "ConditionalCheckFailed", "Item": other}
            return 200, {"Responses": [{"Error": error} for _ in request["Statements"]]}
        code = "com.amazonaws.dynamodb#ConditionalCheckFailedException"
        return 400, {"__type": code, "Item": other}

    dynamodb.script = script
    store = DynamoDBStore("t", runtime=Runtime(sleep=lambda _: None))
    worker = Deduplicator(store)
    with pytest.raises(StoreError, match="another key") as caught:
        worker.claim("k")
    assert caught.value.outcome_unknown
    ran: list[Any] = []
    response = worker.process_batch(sqs_event_of(*keys), ran.append)
    assert (len(failed_ids(response)), ran) == (len(keys), [])


def test_the_visibility_client_is_not_inherited_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that changes visibility makes an SQS client of its own."""
    made: list[object] = []

    def make(**_: object) -> object:
        made.append(object())
        return made[-1]

    monkeypatch.setattr(visibility, "create_sqs_client", make)
    one = visibility.VisibilityUpdater()
    parent = os.getpid()
    monkeypatch.setattr("cxone_idem.stores.aws_client.os.getpid", lambda: parent + 1)
    client = one._client()  # noqa: SLF001 -- an object of its own is all that there is to see
    assert client is one._client()  # noqa: SLF001
    assert len(made) == 2
