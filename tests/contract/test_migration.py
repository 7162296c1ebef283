"""Coming from another way to do it: a check-then-insert table, and AWS Powertools."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities import idempotency
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

from cxone_idem import AlreadyDone, Config, Deduplicator, DynamoDBStore
from tests.support.documents import code_blocks
from tests.support.events import Context, batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable

(NAIVE_ENVIRONMENT,) = code_blocks("From a check-then-insert table", "shell")
(BESIDE_POWERTOOLS,) = code_blocks("Both for a while")

FUTURE_SECONDS = 4_000_000_000
PAST_SECONDS = 1_000_000_000


class NaiveTable:
    """A table as a check-then-insert consumer has it, and the two calls such a consumer makes."""

    def __init__(self, client: Any, config: Config) -> None:
        self._client = client
        self._table, self._key, self._ttl = config.table, config.partition_key, config.ttl_attribute
        client.create_table(
            TableName=self._table,
            KeySchema=[{"AttributeName": self._key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": self._key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def exists(self, key: str) -> bool:
        found = self._client.get_item(TableName=self._table, Key={self._key: {"S": key}})
        return "Item" in found

    def insert(self, key: str, ttl_seconds: int = FUTURE_SECONDS) -> None:
        self._client.put_item(
            TableName=self._table,
            Item={self._key: {"S": key}, self._ttl: {"N": str(ttl_seconds)}},
        )

    def delete_unfinished(self) -> None:
        """Do what README says to do before a rollback."""
        for item in self._client.scan(TableName=self._table)["Items"]:
            if item.get("state", {}).get("S") in {"IN_PROGRESS", "RELEASED"}:
                self._client.delete_item(TableName=self._table, Key={self._key: item[self._key]})


@pytest.fixture
def adopted(items: Any) -> Any:
    """Return a naive table and a deduplicator on it, by the environment that README gives."""
    config = Config.from_environ(
        {
            "AWS_LAMBDA_FUNCTION_NAME": "consumer",
            **dict(line.split("=") for line in shlex.split(NAIVE_ENVIRONMENT)),
        }
    )
    store = DynamoDBStore(
        config.table,
        items.client,
        partition_key=config.partition_key,
        ttl_attribute=config.ttl_attribute,
    )
    yield NaiveTable(items.client, config), Deduplicator(store, config)
    items.client.delete_table(TableName=config.table)


def test_a_naive_table_is_reused_in_place(adopted: tuple[NaiveTable, Deduplicator]) -> None:
    """What it says was done stays done, past its TTL or not yet there it is work to do."""
    naive, deduplicator = adopted
    naive.insert("done")
    naive.insert("past", PAST_SECONDS)
    ran: list[str] = []
    for _ in range(2):
        response = deduplicator.process_batch(batch_of("done", "past", "new"), _key_into(ran))
        assert failed(response) == []
    assert sorted(ran) == ["new", "past"]
    assert naive.exists("new")


def test_the_old_code_takes_failed_work_for_done(
    adopted: tuple[NaiveTable, Deduplicator],
) -> None:
    """Why the two must not run side by side: what failed here and comes back there is dropped."""
    naive, deduplicator = adopted
    assert failed(deduplicator.process_batch(batch_of("k"), _fail)) == ["m0"]
    assert naive.exists("k")
    naive.delete_unfinished()
    assert not naive.exists("k")


def test_a_naive_insert_over_a_claim_is_noticed(
    adopted: tuple[NaiveTable, Deduplicator], caplog: pytest.LogCaptureFixture
) -> None:
    """Old and new at work on one event race as the old did with itself; the log says so."""
    naive, deduplicator = adopted
    caplog.set_level(logging.ERROR, "cxone_idem")
    response = deduplicator.process_batch(batch_of("k"), lambda _: naive.insert("k"))
    assert failed(response) == []
    assert [entry for entry in caplog.records if "'k'" in entry.getMessage()]
    assert isinstance(deduplicator.claim("k"), AlreadyDone)


def _fail(_: dict[str, Any]) -> None:
    message = "the downstream API is down"
    raise RuntimeError(message)


def _key_into(ran: list[str]) -> Callable[[Any], None]:
    return lambda event: ran.append(event["detail"]["IdempotencyKey"])


class Migration:
    """A Powertools table and a new one; the consumer before, and README's consumer after."""

    def __init__(self, old: Any, new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.old, self.new = old, new
        self.names: dict[str, Any] = {"__name__": "consumer"}
        layer = DynamoDBPersistenceLayer(table_name=old.name, boto3_client=old.client)
        with monkeypatch.context() as patch:
            patch.setattr(Deduplicator, "from_environ", self.deduplicator)
            patch.setattr(idempotency, "DynamoDBPersistenceLayer", lambda **_: layer)
            exec(BESIDE_POWERTOOLS, self.names)  # noqa: S102 -- README's own code

    def deduplicator(self) -> Deduplicator:
        """Return one on the new table that remembers nothing of its own."""
        return Deduplicator(self.new.store())

    def before(self, key: str) -> None:
        """Process one event as the consumer does that has Powertools alone."""
        self.names["config"].register_lambda_context(Context(30_000))
        self.names["process_event"](event=event_of(key))

    def after(self, *keys: str) -> list[str]:
        """Process a batch as README's consumer does; return the keys that must come back."""
        self.names["deduplicator"] = self.deduplicator()
        messages = batch(*(record(key, event_of(key)) for key in keys))
        return failed(self.names["handler"](messages, Context(30_000)))


def event_of(key: str) -> dict[str, Any]:
    """Return an event whose work names its key."""
    return envelope(detail={"IdempotencyKey": key, "conversationId": key})


@pytest.fixture
def migration(
    items: Any, new_table: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> Migration:
    """Return both consumers on each engine in turn."""
    return Migration(items, new_table(), monkeypatch)


def test_what_powertools_did_is_not_repeated(
    migration: Migration, capsys: pytest.CaptureFixture[str]
) -> None:
    """Side by side, an event of before is dropped and recorded, a new one runs once."""
    migration.before("old")
    for _ in range(2):
        assert migration.after("old", "new") == []
    assert capsys.readouterr().out.splitlines() == ["starting old", "starting new"]
    assert isinstance(migration.deduplicator().claim("old"), AlreadyDone)


def test_a_new_table_alone_would_repeat_it(
    migration: Migration, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control: switched over at once, the duplicate of an event of before runs again."""
    migration.before("old")
    ran: list[str] = []
    assert not failed(migration.deduplicator().process_batch(batch_of("old"), _key_into(ran)))
    assert capsys.readouterr().out.splitlines() == ["starting old"]
    assert ran == ["old"]


def test_what_an_old_worker_is_at_comes_back(
    migration: Migration, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old and new code at once: Powertools' lock holds for both, and nothing is dropped."""
    came_back: list[list[str]] = []
    events = migration.names["process_event"].__wrapped__.__globals__

    def meanwhile(*_: object) -> None:
        events["print"] = print
        came_back.append(migration.after("k"))

    events["print"] = meanwhile
    migration.before("k")
    assert came_back == [["k"]]
    assert migration.after("k") == []
    assert not capsys.readouterr().out
    assert isinstance(migration.deduplicator().claim("k"), AlreadyDone)


def test_without_the_decorator_nothing_is_forgotten(migration: Migration) -> None:
    """Once Powertools is gone, what was done beside it is known."""
    migration.after("k")
    ran: list[str] = []
    again = batch(record("m", event_of("k")))
    assert not failed(migration.deduplicator().process_batch(again, _key_into(ran)))
    assert not ran
