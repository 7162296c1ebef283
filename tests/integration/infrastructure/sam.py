"""The SAM template: as CloudFormation gets it, and what it says in the words of the comparison."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from samtranslator.yaml_helper import yaml_parse

from examples.infrastructure.local import TEMPLATE, template

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING = {"Ref": "AWS::NoValue"}


def stated() -> dict[str, Any]:
    """Return what the template says, by the name of each thing said."""
    plain = template()
    resources = plain["Resources"]
    assert {
        name: resource["Condition"]
        for name, resource in resources.items()
        if "Condition" in resource
    } == {"KeyPolicy": "Encrypted", "TracingPolicy": "Traced"}
    properties = {name: resource["Properties"] for name, resource in resources.items()}
    return {
        **_records(resources["Records"]),
        **_queues(properties),
        **_rule(properties["EventsRule"]),
        **_consumer(properties),
        **_alarms(properties),
        **_dashboard(properties["Dashboard"]),
        **_parameters(plain),
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
        "records: encryption": _if_set(table["SSESpecification"])["KMSMasterKeyId"],
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
        "queues: encryption": [
            _if_set(properties[queue]["KmsMasterKeyId"])
            for queue in ("Events", "DeadLetters", "Undelivered")
        ],
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
            function["LoggingConfig"]["ApplicationLogLevel"],
            _name(function["LoggingConfig"]["LogGroup"]),
        ),
        "function: environment": {
            name: _name(value) for name, value in function["Environment"]["Variables"].items()
        },
        "function: architectures": [_name(one) for one in function["Architectures"]],
        "function: layers": [_name(one) for one in function["Layers"]],
        "function: tracing": _name(function["TracingConfig"]["Mode"]),
        "function: encryption": _if_set(function["KmsKeyArn"]),
        "function: concurrency": _if_set(function["ReservedConcurrentExecutions"]),
        "layer: runtimes": properties["Library"]["CompatibleRuntimes"],
        "mapping: queue": _name(mapping["EventSourceArn"]),
        "mapping: function": _name(mapping["FunctionName"]),
        "mapping: batch": _name(mapping["BatchSize"]),
        "mapping: window": _name(mapping["MaximumBatchingWindowInSeconds"]),
        "mapping: concurrency": _if_set(mapping["ScalingConfig"])["MaximumConcurrency"],
        "mapping: responses": mapping["FunctionResponseTypes"],
        "role: trusts": _policy(role["AssumeRolePolicyDocument"]),
        "role: allows": _policy(policy["PolicyDocument"]),
        "role: allows with a key": _policy(properties["KeyPolicy"]["PolicyDocument"]),
        "role: allows with tracing": _policy(properties["TracingPolicy"]["PolicyDocument"]),
        "logs: days": _name(properties["ConsumerLogs"]["RetentionInDays"]),
        "logs: encryption": _if_set(properties["ConsumerLogs"]["KmsKeyId"]),
    }


def _alarms(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"alarm: {_snake(name).removesuffix('_alarm')}": {
            "description": alarm["AlarmDescription"],
            "metric": _metric(alarm) if "MetricName" in alarm else None,
            "queries": [_query(query) for query in alarm.get("Metrics", ())],
            "statistic": alarm.get("Statistic"),
            "period": alarm.get("Period"),
            "periods": alarm["EvaluationPeriods"],
            "threshold": _name(alarm["Threshold"]),
            "operator": alarm["ComparisonOperator"],
            "missing": alarm["TreatMissingData"],
            "actions": _if_set(alarm["AlarmActions"]),
        }
        for name, alarm in properties.items()
        if name.endswith("Alarm")
    }


def _metric(stated: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    dimensions = {one["Name"]: _name(one["Value"]) for one in stated["Dimensions"]}
    return stated["Namespace"], stated["MetricName"], dimensions


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    if "Expression" in query:
        # What is not said to return its data does.
        return {"id": query["Id"], "expression": query["Expression"]}
    assert query["ReturnData"] is False
    stat = query["MetricStat"]
    return {
        "id": query["Id"],
        "metric": (*_metric(stat["Metric"]), stat["Period"], stat["Stat"]),
    }


def _dashboard(dashboard: Mapping[str, Any]) -> dict[str, Any]:
    body, values = dashboard["DashboardBody"]["Fn::Sub"]
    return {
        "dashboard: body": body,
        "dashboard: values": {name: _name(value) for name, value in values.items()},
    }


def _parameters(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"parameter: {_snake(name)}": (
            said["Default"],
            _snake_words(said["Description"]),
            said.get("AllowedValues")
            or [said[limit] for limit in ("MinValue", "MaxValue") if limit in said],
        )
        for name, said in plain["Parameters"].items()
    }


def _if_set(value: Mapping[str, Any]) -> Any:
    """Return what holds if a parameter is not left at its default, names for references."""
    condition, then, otherwise = value["Fn::If"]
    assert otherwise == NOTHING
    raw = yaml_parse(TEMPLATE.read_text())
    ((negated,),) = raw["Conditions"][condition].values()
    parameter, default = negated["Fn::Equals"]
    assert default == raw["Parameters"][parameter["Ref"]]["Default"]
    assert parameter["Ref"] in json.dumps(then)
    if isinstance(then, list):
        return [_name(one) for one in then]
    if set(then) == {"Ref"}:
        return _name(then)
    return {name: _name(one) for name, one in then.items()}


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
    return "region" if logical_id == "AWS::Region" else _snake(logical_id)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _snake_words(text: str) -> str:
    """Return a text in which each name of a parameter is as Terraform writes it."""
    return re.sub(r"\b(?:[A-Z][a-z]+){2,}\b", lambda found: _snake(found.group()), text)
