"""The engines the contract is held against: how each starts, and what each cannot do."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import moto
import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from moto.core.models import botocore_stubber

from cxone_idem import DynamoDBStore
from cxone_idem.testing.rehearsal import RehearsalStore
from examples.local_stack import CREDENTIALS, ENGINES, MINISTACK, free_port, ministack, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from cxone_idem.protocol.store import Store

DYNAMODB_LOCAL = ENGINES / "dynamodb-local"
LAMBDA_RIE = ENGINES / "lambda-rie" / "aws-lambda-rie"
MISSING = {
    "ministack": "ministack is not installed: make test installs it",
    "ministack-untelling": "ministack is not installed: make test installs it",
    "lambda-rie": "Amazon's Lambda runtime emulator is not installed: make test installs it (on"
    " Linux alone: it is made for no other system)",
    "dynamodb-local": "DynamoDB Local is not here: make dynamodb-local fetches it (its license:"
    " development and testing only)",
}


class Table(Protocol):
    """One fresh table on an engine. What an engine lacks is named by a capability."""

    capabilities: frozenset[str]

    def store(self) -> Store:
        """Return a store on this table, as another worker would make it."""

    @property
    def requests(self) -> int:
        """Requests sent to this table so far, the SDK's retries included."""

    def lose_answers(self, times: int = 1) -> None:
        """Execute the next writes and cut the connection before their answers arrive."""


class MemoryTable(RehearsalStore):
    """Records in this process. Its store is one object, so there are no items to look at."""

    capabilities = frozenset({"races"})

    def store(self) -> Store:
        return self


class DynamoDBTable:
    """A table behind a boto3 client, its wire tapped to count requests and to lose answers."""

    def __init__(
        self,
        capabilities: frozenset[str],
        endpoint: str | None,
        execute: Callable[[AWSPreparedRequest], AWSResponse | None],
    ) -> None:
        self.capabilities = capabilities
        self.endpoint = endpoint
        self.name = f"idem-{uuid.uuid4().hex[:12]}"
        self.requests = 0
        self._to_lose = 0
        self._execute = execute
        self.client = client_for(endpoint)
        self.client.meta.events.register_first("before-send.dynamodb.PutItem", self._tap)
        self.client.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def store(self) -> Store:
        return DynamoDBStore(self.name, self.client)

    def lose_answers(self, times: int = 1) -> None:
        self._to_lose = times

    def item(self, key: str) -> dict[str, Any] | None:
        """Return the raw item that is stored at a partition key."""
        answer = self.client.get_item(TableName=self.name, Key={"id": {"S": key}})
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def put_raw(self, item: dict[str, Any]) -> None:
        """Put an item this library did not write."""
        self.client.put_item(TableName=self.name, Item=item)
        self.requests -= 1

    def _tap(self, request: AWSPreparedRequest, **_: object) -> None:
        self.requests += 1
        if self._to_lose:
            self._to_lose -= 1
            self._execute(request)
            raise ConnectionClosedError(endpoint_url=request.url)


@cache
def _session() -> boto3.Session:
    """One session: it keeps the service model, which takes longer to load than a test to run."""
    return boto3.Session()


def client_for(endpoint: str | None, attempts: int = 4) -> Any:
    """Return a client for an engine, patient enough for a busy machine."""
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    return _session().client(
        "dynamodb", endpoint_url=endpoint, config=ClientConfig(read_timeout=20, retries=retries)
    )


def send(request: AWSPreparedRequest) -> AWSResponse:
    """Send a request past the client, as the wire would have carried it."""
    session = URLLib3Session()
    try:
        response: AWSResponse = session.send(request)
        return response
    finally:
        session.close()


def _send_to_moto(request: AWSPreparedRequest) -> AWSResponse | None:
    response: AWSResponse | None = botocore_stubber(
        event_name="before-send.dynamodb.PutItem", request=request
    )
    return response


@contextmanager
def running(engine: str, *, for_long: bool = False) -> Iterator[Callable[[], Any]]:
    """Run an engine; yield what makes a fresh table on it.

    `for_long` gives an engine that gets faster with time, at the price of a slow start.
    """
    if engine == "memory":
        yield MemoryTable
    elif engine == "moto":
        # moto's conditional put is not atomic under threads, so it never judges a race.
        with moto.mock_aws():
            yield lambda: DynamoDBTable(frozenset({"items"}), None, _send_to_moto)
    else:
        with _served(engine, for_long=for_long) as endpoint:
            capabilities = frozenset({"items", "races", "processes", "transactions"})
            yield lambda: _table(engine, capabilities, endpoint)


def _table(engine: str, capabilities: frozenset[str], endpoint: str) -> DynamoDBTable:
    table = DynamoDBTable(capabilities, endpoint, send)
    if engine == "ministack-untelling":
        table.client.meta.events.register("after-call.dynamodb.BatchExecuteStatement", strip_items)
    return table


def strip_items(parsed: dict[str, Any], **_: object) -> None:
    """Take the items out of a batch's refusals: DynamoDB was seen to answer with and without."""
    for answer in parsed.get("Responses", ()):
        answer.get("Error", {}).pop("Item", None)


def is_missing(engine: str) -> bool:
    """Tell whether an engine has not been installed by its make target."""
    installed = {
        "ministack": MINISTACK,
        "ministack-untelling": MINISTACK,
        "dynamodb-local": DYNAMODB_LOCAL / ".ready",
        "lambda-rie": LAMBDA_RIE,
    }
    return engine in installed and not installed[engine].exists()


def require(engine: str) -> None:
    """Skip the test by the engine's name if that is missing; where every engine must run, fail."""
    if is_missing(engine):
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING[engine])
        pytest.skip(MISSING[engine])


@contextmanager
def _served(engine: str, *, for_long: bool) -> Iterator[str]:
    if engine.startswith("ministack"):
        with ministack() as url:
            yield url
        return
    port = free_port()
    command = [
        "java",
        *([] if for_long else ["-XX:TieredStopAtLevel=1"]),
        "-XX:+UseSerialGC",
        "-Djava.library.path=./DynamoDBLocal_lib",
        "-jar",
        "DynamoDBLocal.jar",
        *("-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)),
    ]
    home = next(DYNAMODB_LOCAL.glob("package/lib/dynamodb_local_*"))
    url = f"http://127.0.0.1:{port}"
    with server(command, url, {"DDB_LOCAL_TELEMETRY": "0"}, cwd=home):
        yield url


def use_stand_in_credentials() -> None:
    """Make the AWS SDK of this process unable to reach a real account."""
    os.environ.update(CREDENTIALS)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
