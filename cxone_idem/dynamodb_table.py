"""The table itself: what it is like, and how it is made. Only the command line asks for either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from cxone_idem.dynamodb_answer import from_response, from_sdk
from cxone_idem.dynamodb_request import create_client
from cxone_idem.errors import StoreError

if TYPE_CHECKING:
    from cxone_idem.config import Config

_TEXT = "S"


class TableMaker:
    """The table that a `Config` names."""

    def __init__(self, config: Config, client: Any = None) -> None:
        self._name = config.table
        self._key = config.partition_key
        self._ttl_attribute = config.ttl_attribute
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
