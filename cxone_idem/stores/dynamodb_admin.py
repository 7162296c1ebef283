"""Reading a record and making the table: for the command line alone."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from cxone_idem.errors import StoreError
from cxone_idem.record import Record
from cxone_idem.stores.dynamodb import create_client
from cxone_idem.stores.dynamodb_errors import (
    Source,
    date_seconds,
    from_response,
    from_sdk,
    read_item,
)
from cxone_idem.stores.dynamodb_item import Layout

_TEXT = "S"


class TableNames(Protocol):
    """The names of a table and its attributes; a `Config` has them."""

    @property
    def table(self) -> str:
        """The table's name."""

    @property
    def partition_key(self) -> str:
        """The name of its key attribute."""

    @property
    def ttl_attribute(self) -> str:
        """The name of its TTL attribute."""


class StoredRecord(NamedTuple):
    """A record as it was read, and the store's own time then."""

    record: Record | None
    date_seconds: int | None
    """Epoch seconds of the store's clock, cut to whole ones; None if it tells none."""


class RecordReader:
    """Reads the records of one table. Needs `dynamodb:GetItem` on it, which consumers do not."""

    def __init__(self, names: TableNames, client: Any = None) -> None:
        self._table = names.table
        self._layout = Layout(names.partition_key, names.ttl_attribute)
        self._client = create_client() if client is None else client

    def get(self, partition_key: str) -> StoredRecord:
        """Return the record at a partition key by a consistent read: all writes so far are in it.

        Raises `StoreError` if the store cannot say, or if the item is not a record.
        """
        try:
            response = self._client.get_item(
                TableName=self._table,
                Key={self._layout.partition_key: {"S": partition_key}},
                ConsistentRead=True,
            )
        except ClientError as error:
            raise from_response(error, self._table, "GetItem") from error
        except BotoCoreError as error:
            raise from_sdk(error, self._table, "GetItem") from error
        record = read_item(
            response.get("Item"), partition_key, Source(self._table, self._layout, "GetItem")
        )
        return StoredRecord(record, date_seconds(response))


class TableAdmin:
    """The table that a `Config` names."""

    def __init__(self, names: TableNames, client: Any = None) -> None:
        self._name = names.table
        self._key = names.partition_key
        self._ttl_attribute = names.ttl_attribute
        self._client = create_client() if client is None else client

    def describe(self) -> dict[str, Any] | None:
        """Return DynamoDB's description of the table; None if there is none."""
        try:
            table: dict[str, Any] = self._ask("describe_table", "DescribeTable")["Table"]
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
        if keys == [(self._key, "HASH", _TEXT)]:
            return ""
        found = ", ".join(f"{name} ({kind}, {type_})" for name, kind, type_ in keys)
        return f"its key is {found}, expected {self._key} (HASH, {_TEXT}) alone"

    def ttl_attribute(self) -> str | None:
        """Return the attribute that TTL is on for; None if it is off."""
        answer = self._ask("describe_time_to_live", "DescribeTimeToLive")
        ttl = answer["TimeToLiveDescription"]
        on = ttl["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}
        return str(ttl["AttributeName"]) if on else None

    def create(self) -> None:
        """Create the table, on-demand and protected from deletion, and wait until it is active."""
        self._ask(
            "create_table",
            "CreateTable",
            KeySchema=[{"AttributeName": self._key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": self._key, "AttributeType": _TEXT}],
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
            raise StoreError(problem, self._name, "DescribeTable") from error

    def switch_ttl_on(self) -> None:
        """Have DynamoDB delete items once their TTL attribute, epoch seconds, is past."""
        self._ask(
            "update_time_to_live",
            "UpdateTimeToLive",
            TimeToLiveSpecification={"Enabled": True, "AttributeName": self._ttl_attribute},
        )

    def _ask(self, method: str, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, method)(
                TableName=self._name, **parameters
            )
        except ClientError as error:
            raise from_response(error, self._name, operation) from error
        except BotoCoreError as error:
            raise from_sdk(error, self._name, operation) from error
        return answer
