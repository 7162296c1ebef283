"""The first request of a cold start: it writes nothing, and nothing depends on it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from cxone_idem import Deduplicator, DynamoDBStore
from tests.support.scripted_dynamodb import ScriptedDynamoDB, failing, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = failing(400, "ConditionalCheckFailedException")


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedDynamoDB]:
    """Return a DynamoDB that the SDK finds, in a process that looks like a Lambda function."""
    server = ScriptedDynamoDB()
    server.script = REFUSED
    for name, value in {
        "AWS_ENDPOINT_URL_DYNAMODB": server.url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "consumer",
    }.items():
        monkeypatch.setenv(name, value)
    with server.running():
        yield server


def test_on_lambda_the_connection_is_there_before_the_first_event(
    dynamodb: ScriptedDynamoDB, caplog: pytest.LogCaptureFixture
) -> None:
    """One request in the init phase; the first claim goes over its connection."""
    worker = Deduplicator.from_environ()
    assert dynamodb.operations == ["PutItem"]
    dynamodb.script = lambda *_: (200, {})
    assert worker.claim("k")
    first, second = dynamodb.connections
    assert first == second
    assert "warm-up" not in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CXONE_IDEM_WARM_UP", "false"),
        ("CXONE_IDEM_DISABLED", "true"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start"),
        ("AWS_LAMBDA_FUNCTION_NAME", None),
    ],
)
def test_it_is_left_out(
    dynamodb: ScriptedDynamoDB, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    """By setting, with the kill switch, in a snapshot (its connection would be dead), elsewhere."""
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    Deduplicator.from_environ()
    assert dynamodb.operations == []


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (failing(400, "ResourceNotFoundException"), "no such table"),
        (failing(400, "AccessDeniedException"), "allow dynamodb:PutItem"),
        (silent, "could not be reached"),
    ],
)
def test_a_failure_is_one_warning_and_no_more(
    dynamodb: ScriptedDynamoDB, caplog: pytest.LogCaptureFixture, script: Any, says: str
) -> None:
    """A missing table or permission shows before the first event; the function starts."""
    dynamodb.script = script
    Deduplicator.from_environ()
    (entry,) = [one for one in caplog.records if "warm-up" in one.getMessage()]
    assert entry.levelno == logging.WARNING
    assert says in entry.getMessage()
    assert dynamodb.operations == ["PutItem"]


def test_it_writes_nothing(items: Any) -> None:
    """Its condition cannot hold, with an item of its key or without."""
    store = DynamoDBStore(items.name, items.client)
    store.warm_up()
    assert not items.client.scan(TableName=items.name)["Items"]
    items.client.put_item(TableName=items.name, Item={"id": {"S": "warm-up"}})
    store.warm_up()
    assert items.client.scan(TableName=items.name)["Items"] == [{"id": {"S": "warm-up"}}]


def test_the_client_is_of_boto3s_own_session_where_boto3_is_imported(
    dynamodb: ScriptedDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints, models and credentials are read once for both; without boto3 it is botocore's."""
    made: list[str] = []
    client = boto3.client

    def noted(service: str, **options: Any) -> Any:
        made.append(service)
        return client(service, **options)

    monkeypatch.setattr(boto3, "client", noted)
    Deduplicator.from_environ()
    assert made == ["dynamodb"]
    monkeypatch.delitem(sys.modules, "boto3")
    Deduplicator.from_environ()
    assert made == ["dynamodb"]
    assert len(dynamodb.operations) == 2


def test_a_client_of_the_users_own(dynamodb: ScriptedDynamoDB) -> None:
    """It is used as it is."""
    own = boto3.client("dynamodb", region_name="us-east-1")
    seen: list[Any] = []
    own.meta.events.register("before-send.dynamodb.PutItem", lambda **_: seen.append(1))
    Deduplicator.from_environ(client=own)
    assert seen
    assert dynamodb.operations == ["PutItem"]
