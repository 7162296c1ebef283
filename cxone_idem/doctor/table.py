"""A table: it keeps records as the protocol needs them."""

from __future__ import annotations

from typing import Any

from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Facts, UnreadError, advice, fact, wrong

# As seconds that is the year 5138, as milliseconds 1973: no time that a record could mean.
_MILLISECONDS_FROM = 10**11


def read_table(account: Account, name: str, config: Config) -> Facts:
    """Read a table, in AWS's names, for a consumer with these settings."""
    table = account.ask("dynamodb", "describe_table", TableName=name)["Table"]
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    keys = [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
    on_demand = table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    reason = "it is a global table, and this SDK does not show how consistent it is"
    unread = UnreadError(reason, "use a newer botocore")
    regions = table.get("MultiRegionConsistency", unread) if table.get("Replicas") else "only one"
    return Facts(
        table,
        checks=_TABLE_CHECKS,
        subject=f"table {name}",
        config=config,
        key=", ".join(f"{name} ({kind}, {types.get(name)})" for name, kind in keys),
        write_units=None if on_demand else table["ProvisionedThroughput"]["WriteCapacityUnits"],
        regions=regions,
        ttl=fact(lambda: _ttl(account, config)),
        ttl_values=fact(lambda: _ttl_values(account, config)),
    )


def _ttl(account: Account, config: Config) -> str:
    answer = account.ask("dynamodb", "describe_time_to_live", TableName=config.table)
    ttl = answer["TimeToLiveDescription"]
    on = ttl.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    return f"on for {ttl['AttributeName']}" if on else "off"


def _ttl_values(account: Account, config: Config) -> dict[str, int]:
    """Return how many items were looked at, and how many of them hold no epoch seconds."""
    name = config.ttl_attribute
    # Enough to see what a table's items are like; a page of small items is a few read units.
    sample: dict[str, Any] = {"Limit": 50, "PaginationConfig": {"MaxItems": 50}}
    of: dict[str, Any] = {
        "ProjectionExpression": "#ttl",
        "ExpressionAttributeNames": {"#ttl": name},
    }
    items = account.ask("dynamodb", "scan", TableName=config.table, **sample, **of)["Items"]
    values = [item[name] for item in items if name in item]
    return {"all": len(values), "wrong": sum(not _is_seconds(value) for value in values)}


def _is_seconds(value: dict[str, Any]) -> bool:
    try:
        return float(value["N"]) < _MILLISECONDS_FROM
    except (KeyError, ValueError):
        return False


_REJECTED = "DynamoDB rejects every write, so no event is processed"
_TABLE_CHECKS = (
    wrong(
        "table-state",
        lambda table: table.TableStatus not in {None, "ACTIVE", "UPDATING"},
        "{TableStatus}",
        _REJECTED,
        "wait until it is ACTIVE; if its key is out of reach, enable that first",
    ),
    wrong(
        "table-key",
        lambda table: table.key != f"{table.config.partition_key} (HASH, S)",
        "its key is {key}; expected {config.partition_key} (HASH, S) alone",
        _REJECTED,
        "use a table with one text key, or set CXONE_IDEM_PARTITION_KEY",
    ),
    advice(
        "ttl",
        lambda table: table.MultiRegionConsistency == "STRONG",
        "a global table with strong consistency has no TTL",
        "records whose retention is past count as absent but stay, and the table grows",
        "delete, now and then, what is well past its retention: see examples/stores/sweep.py",
    ),
    wrong(
        "ttl",
        lambda table: table.ttl != f"on for {table.config.ttl_attribute}",
        "{ttl}; records have {config.ttl_attribute}",
        "no record is ever deleted, so the table grows for good",
        "switch TTL on for {config.ttl_attribute}, or set CXONE_IDEM_TTL_ATTRIBUTE",
    ),
    wrong(
        "ttl-seconds",
        lambda table: table.ttl_values["wrong"],
        "{ttl_values[wrong]} of {ttl_values[all]} items looked at hold no epoch seconds there",
        "milliseconds read as a time thousands of years ahead, and a text as none: such an item is"
        " never deleted, and its key counts as done for good",
        "have their writer store whole seconds as a number, and correct or delete those items",
    ),
    advice(
        "capacity",
        lambda table: table.write_units is not None,
        "provisioned write units a second: {write_units}; the first delivery of an event takes two",
        "beyond that DynamoDB throttles, and messages come back until some reach the dead-letter"
        " queue",
        "switch to on-demand, or see that this is well above your peak",
    ),
    advice(
        "global-table",
        lambda table: table.regions == "EVENTUAL",
        "its consistency between Regions: {regions}",
        "a condition is judged in its own Region: two Regions that get the same event both do it",
        "consume each event in one Region, or use a table with strong consistency (MRSC)",
    ),
)
