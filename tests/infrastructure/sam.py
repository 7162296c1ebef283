"""The SAM template: as CloudFormation gets it, and what it says in the words of the comparison."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from tests.readme import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE = ROOT / "examples" / "sam" / "template.yaml"

# Where `sam package` would have put the code; the transform wants to see one.
CODE = {"Bucket": "code", "Key": "consumer.zip"}


def transformed(code: Mapping[str, str] = CODE) -> dict[str, Any]:
    """Return the template as plain CloudFormation, its code at a place in S3."""
    template = yaml_parse(TEMPLATE.read_text())
    template["Resources"]["Consumer"]["Properties"]["CodeUri"] = dict(code)
    plain: dict[str, Any] = transform(template, {}, SimpleNamespace(load=dict))
    return plain


def stated() -> dict[str, Any]:
    """Return what the template says, by the name of each thing said."""
    resources = transformed()["Resources"]
    properties = {name: resource["Properties"] for name, resource in resources.items()}
    return {
        **_records(resources["Records"]),
        **_queues(properties),
        **_rule(properties["EventsRule"]),
        **_consumer(properties),
    }


def _records(resource: Mapping[str, Any]) -> dict[str, Any]:
    table = resource["Properties"]
    recovery = table["PointInTimeRecoverySpecification"]
    return {
        "records: billing": table["BillingMode"],
        "records: key": [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]],
        "records: attributes": [
            (one["AttributeName"], one["AttributeType"]) for one in table["AttributeDefinitions"]
        ],
        "records: TTL attribute": table["TimeToLiveSpecification"]["AttributeName"],
        "records: TTL": table["TimeToLiveSpecification"]["Enabled"],
        "records: point-in-time recovery": recovery["PointInTimeRecoveryEnabled"],
        "records: deletion protection": table["DeletionProtectionEnabled"],
        "records: kept": {resource["DeletionPolicy"], resource["UpdateReplacePolicy"]}
        == {"Retain"},
    }


def _queues(properties: Mapping[str, Any]) -> dict[str, Any]:
    events, dead_letters = properties["Events"], properties["DeadLetters"]
    allow = dead_letters["RedriveAllowPolicy"]
    (source,) = allow["sourceQueueArns"]
    return {
        "events: visibility seconds": events["VisibilityTimeout"],
        "events: retention seconds": events["MessageRetentionPeriod"],
        "events: dead letters": _name(events["RedrivePolicy"]["deadLetterTargetArn"]),
        "events: receives": events["RedrivePolicy"]["maxReceiveCount"],
        "dead letters: retention seconds": dead_letters["MessageRetentionPeriod"],
        "dead letters: redrive": (
            allow["redrivePermission"],
            source["Fn::Sub"].endswith(":" + events["QueueName"]["Fn::Sub"]),
        ),
        "undelivered: retention seconds": properties["Undelivered"]["MessageRetentionPeriod"],
        "events: senders": _policy(properties["EventsPolicy"]["PolicyDocument"]),
        "undelivered: senders": _policy(properties["UndeliveredPolicy"]["PolicyDocument"]),
        "policies": {
            _name(properties[f"{queue}Policy"]["Queues"][0]) for queue in ("Events", "Undelivered")
        },
    }


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    (target,) = rule["Targets"]
    return {
        "rule: pattern": rule["EventPattern"],
        "rule: target": _name(target["Arn"]),
        "rule: age seconds": target["RetryPolicy"]["MaximumEventAgeInSeconds"],
        "rule: attempts": target["RetryPolicy"]["MaximumRetryAttempts"],
        "rule: dead letters": _name(target["DeadLetterConfig"]["Arn"]),
    }


def _consumer(properties: Mapping[str, Any]) -> dict[str, Any]:
    function, mapping = properties["Consumer"], properties["ConsumerMessages"]
    role = properties["ConsumerRole"]
    (policy,) = role["Policies"]
    return {
        "function: handler": function["Handler"],
        "function: runtime": function["Runtime"],
        "function: timeout seconds": function["Timeout"],
        "function: memory": function["MemorySize"],
        "function: role": _name(function["Role"]),
        "function: logs": (
            function["LoggingConfig"]["LogFormat"],
            _name(function["LoggingConfig"]["LogGroup"]),
        ),
        "function: environment": {
            name: _name(value) for name, value in function["Environment"]["Variables"].items()
        },
        "mapping: queue": _name(mapping["EventSourceArn"]),
        "mapping: function": _name(mapping["FunctionName"]),
        "mapping: batch": mapping["BatchSize"],
        "mapping: responses": mapping["FunctionResponseTypes"],
        "role: trusts": _policy(role["AssumeRolePolicyDocument"]),
        "role: allows": _policy(policy["PolicyDocument"]),
        "logs: days": properties["ConsumerLogs"]["RetentionInDays"],
    }


def _policy(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "actions": sorted(_listed(statement["Action"])),
            "on": _name(statement.get("Resource")),
            "by": statement.get("Principal", {}).get("Service"),
            "if": [
                (test, variable, _name(value))
                for test, tested in statement.get("Condition", {}).items()
                for variable, value in tested.items()
            ],
        }
        for statement in document["Statement"]
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(value: Any) -> Any:
    """Return the thing a reference points at: `dead_letters` for `!GetAtt DeadLetters.Arn`."""
    if not isinstance(value, dict):
        return value
    (target,) = value.values()
    logical_id = target[0] if isinstance(target, list) else target
    return re.sub(r"(?<!^)(?=[A-Z])", "_", logical_id).lower()
