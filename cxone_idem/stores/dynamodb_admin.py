"""Reading a record and making the table: for the command line alone."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from cxone_idem.errors import StoreError
from cxone_idem.record import Record
from cxone_idem.stores.dynamodb import create_client
from cxone_idem.stores.dynamodb_errors import Source, as_store_error, date_seconds, read_item
from cxone_idem.stores.dynamodb_item import Layout
from cxone_idem.text import region_of

_TEXT = "S"


class _TableNames(Protocol):
    """The names of a table and its attributes; a `Config` has them."""

    @property
    def table(self) -> str: ...

    @property
    def partition_key(self) -> str: ...

    @property
    def ttl_attribute(self) -> str: ...


class StoredRecord(NamedTuple):
    """A record as it was read, and the store's own time then."""

    record: Record | None
    date_seconds: int | None
    """Epoch seconds of the store's clock, cut to whole ones; None if it gives none."""


class _Table:
    def __init__(self, names: _TableNames, client: Any = None) -> None:
        self._name = names.table
        self._layout = Layout(names.partition_key, names.ttl_attribute)
        self._client = create_client() if client is None else client

    def _source(self, operation: str) -> Source:
        return Source(self._name, self._layout, operation, region_of(self._client))

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        ask = getattr(self._client, xform_name(operation))
        try:
            answer: dict[str, Any] = ask(TableName=self._name, **parameters)
        except (BotoCoreError, ClientError) as error:
            raise as_store_error(error, self._source(operation)) from error
        return answer


class RecordReader(_Table):
    """Reads the records of one table. Needs `dynamodb:GetItem` on it, which consumers do not."""

    def get(self, partition_key: str) -> StoredRecord:
        """Return the record at a partition key by a consistent read: all writes so far are in it.

        Raises `StoreError` if the store cannot say, or if the item is not a record.
        """
        key = {self._layout.partition_key: {"S": partition_key}}
        answer = self._ask("GetItem", Key=key, ConsistentRead=True)
        record = read_item(answer.get("Item"), partition_key, self._source("GetItem"))
        return StoredRecord(record, date_seconds(answer))


class TableAdmin(_Table):
    """The table that a `Config` names."""

    def describe(self) -> dict[str, Any] | None:
        """Return DynamoDB's description of the table; None if there is none."""
        try:
            table: dict[str, Any] = self._ask("DescribeTable")["Table"]
        except StoreError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        return table

    def schema_mistake(self, table: dict[str, Any]) -> str:
        """Say how a described table's keys differ from what records need, or nothing."""
        types = {
            each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]
        }
        keys = [
            (key["AttributeName"], key["KeyType"], types.get(key["AttributeName"]))
            for key in table["KeySchema"]
        ]
        if keys == [(self._layout.partition_key, "HASH", _TEXT)]:
            return ""
        found = ", ".join(f"{name} ({kind}, {type_})" for name, kind, type_ in keys)
        return f"its key is {found}, expected {self._layout.partition_key} (HASH, {_TEXT}) alone"

    def ttl_attribute(self) -> str | None:
        """Return the attribute that TTL is on for; None if it is off."""
        answer = self._ask("DescribeTimeToLive")
        ttl = answer["TimeToLiveDescription"]
        on = ttl["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}
        return str(ttl["AttributeName"]) if on else None

    def create(self) -> None:
        """Create the table, on-demand and protected from deletion, and wait until it is active."""
        self._ask(
            "CreateTable",
            KeySchema=[{"AttributeName": self._layout.partition_key, "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": self._layout.partition_key, "AttributeType": _TEXT}
            ],
            BillingMode="PAY_PER_REQUEST",
            # Without its records every event of the last weeks runs again when it comes again.
            DeletionProtectionEnabled=True,
        )
        self.wait()

    def wait(self) -> None:
        """Wait until the table is active, five minutes at most; a second is usual on-demand."""
        try:
            self._client.get_waiter("table_exists").wait(
                TableName=self._name, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
            )
        except WaiterError as error:
            problem = f"the table did not become active ({error}); retrying helps"
            raise self._source("DescribeTable").failure(problem) from error

    def switch_ttl_on(self) -> None:
        """Have DynamoDB delete items once their TTL attribute, epoch seconds, is past."""
        self._ask(
            "UpdateTimeToLive",
            TimeToLiveSpecification={"Enabled": True, "AttributeName": self._layout.ttl_attribute},
        )
