"""Reads a pipeline's parts from AWS, as facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cxone_idem.doctor.facts import (
    DeadLetters,
    EventSource,
    Function,
    Queue,
    Rule,
    Table,
    Target,
    Unread,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxone_idem.config import Config
    from cxone_idem.doctor.account import Account

# Enough to see what a table's items are like; a page of small items is a few read units.
_SAMPLE_ITEMS = 50
_ALL_BUSES = 100


def read_table(account: Account, config: Config) -> Table | Unread:
    """Read the table that a consumer's settings name."""
    answer = account.ask("dynamodb", "describe_table", TableName=config.table)
    if isinstance(answer, Unread):
        return answer
    table = answer["Table"]
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    return Table(
        name=table["TableName"],
        keys=tuple(
            (key["AttributeName"], key["KeyType"], types.get(key["AttributeName"], "?"))
            for key in table["KeySchema"]
        ),
        write_units=_write_units(table),
        consistency=_consistency(table),
        ttl_attribute=_ttl_attribute(account, config.table),
        ttl_values=_ttl_values(account, config),
    )


def read_function(account: Account, name: str) -> Function | Unread:
    """Read a function by its name or ARN, with a qualifier or without."""
    found = account.ask("lambda", "get_function_configuration", FunctionName=name)
    if isinstance(found, Unread):
        return found
    environment = found.get("Environment", {})
    error = environment.get("Error")
    return Function(
        name=found["FunctionName"],
        arn=found["FunctionArn"],
        timeout_seconds=found["Timeout"],
        environment=Unread(f"its environment cannot be decrypted ({error.get('ErrorCode')})")
        if error
        else environment.get("Variables", {}),
        role_arn=found["Role"],
    )


def read_event_sources(account: Account, **of: str) -> tuple[EventSource, ...] | Unread:
    """Read the mappings from queues of one function or one queue."""
    answer = account.ask("lambda", "list_event_source_mappings", **of)
    if isinstance(answer, Unread):
        return answer
    return tuple(
        EventSource(
            queue_arn=found["EventSourceArn"],
            function_arn=found["FunctionArn"],
            state=found.get("State", "Enabled"),
            reports_failures="ReportBatchItemFailures" in found.get("FunctionResponseTypes", ()),
            batch_window_seconds=found.get("MaximumBatchingWindowInSeconds", 0),
        )
        for found in answer["EventSourceMappings"]
        if ":sqs:" in found.get("EventSourceArn", "")
    )


def read_queue(account: Account, name: str) -> Queue | Unread:
    """Read a queue by its name, URL or ARN, and how long its dead letters are kept."""
    found = _queue_attributes(account, name)
    if isinstance(found, Unread):
        return found
    redrive = json.loads(found.get("RedrivePolicy") or "{}")
    letters = None
    if redrive.get("deadLetterTargetArn"):
        arn = redrive["deadLetterTargetArn"]
        attributes = _queue_attributes(account, arn)
        kept = (
            attributes
            if isinstance(attributes, Unread)
            else int(attributes["MessageRetentionPeriod"])
        )
        letters = DeadLetters(arn, int(redrive.get("maxReceiveCount", 0)), kept)
    return Queue(
        arn=found["QueueArn"],
        visibility_timeout_seconds=int(found["VisibilityTimeout"]),
        retention_seconds=int(found["MessageRetentionPeriod"]),
        dead_letters=letters,
    )


def read_rule(account: Account, name: str, bus: str) -> Rule | Unread:
    """Read a rule and its targets."""
    found = account.ask("events", "describe_rule", Name=name, EventBusName=bus)
    if isinstance(found, Unread):
        return found
    pattern = found.get("EventPattern")
    return Rule(
        name=name,
        bus=bus,
        enabled=found.get("State", "ENABLED") != "DISABLED",
        pattern=json.loads(pattern) if pattern else None,
        targets=_targets(account, name, bus),
    )


def rules_to(account: Account, arns: Iterable[str]) -> list[tuple[str, str]] | Unread:
    """Return name and bus of every rule that sends to one of `arns`: partners have own buses."""
    buses = account.ask("events", "list_event_buses", Limit=_ALL_BUSES)
    if isinstance(buses, Unread):
        return buses
    found = []
    for bus in (each["Name"] for each in buses["EventBuses"]):
        for arn in arns:
            answer = account.ask(
                "events", "list_rule_names_by_target", TargetArn=arn, EventBusName=bus
            )
            if isinstance(answer, Unread):
                return answer
            found += [(name, bus) for name in answer.get("RuleNames", ())]
    return sorted(set(found))


def _targets(account: Account, name: str, bus: str) -> tuple[Target, ...] | Unread:
    answer = account.ask("events", "list_targets_by_rule", Rule=name, EventBusName=bus)
    if isinstance(answer, Unread):
        return answer
    return tuple(
        Target(each["Arn"], each.get("DeadLetterConfig", {}).get("Arn"))
        for each in answer.get("Targets", ())
    )


def _queue_attributes(account: Account, name: str) -> dict[str, str] | Unread:
    url = name
    if not name.startswith(("http://", "https://")):
        *_, owner, short = ["", *name.split(":")]
        of = {"QueueOwnerAWSAccountId": owner} if owner else {}
        answer = account.ask("sqs", "get_queue_url", QueueName=short, **of)
        if isinstance(answer, Unread):
            return answer
        url = answer["QueueUrl"]
    answer = account.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    if isinstance(answer, Unread):
        return answer
    attributes: dict[str, str] = answer["Attributes"]
    return attributes


def _write_units(table: dict[str, Any]) -> int | None:
    if table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
        return None
    units: int = table.get("ProvisionedThroughput", {}).get("WriteCapacityUnits", 0)
    return units


def _consistency(table: dict[str, Any]) -> str | Unread | None:
    if not table.get("Replicas"):
        return None
    mode: str | None = table.get("MultiRegionConsistency")
    why = "it is a global table, and this SDK does not show how consistent it is"
    return mode or Unread(why, "use a newer botocore")


def _ttl_attribute(account: Account, table: str) -> str | Unread | None:
    answer = account.ask("dynamodb", "describe_time_to_live", TableName=table)
    if isinstance(answer, Unread):
        return answer
    found = answer["TimeToLiveDescription"]
    on = found.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    return str(found["AttributeName"]) if on else None


def _ttl_values(account: Account, config: Config) -> tuple[dict[str, Any], ...] | Unread:
    # The client's own method and not its paginator, which would read the whole table.
    answer = account.ask_once(
        "dynamodb",
        "scan",
        TableName=config.table,
        Limit=_SAMPLE_ITEMS,
        ProjectionExpression="#ttl",
        ExpressionAttributeNames={"#ttl": config.ttl_attribute},
    )
    if isinstance(answer, Unread):
        return answer
    name = config.ttl_attribute
    return tuple(item[name] for item in answer["Items"] if name in item)
