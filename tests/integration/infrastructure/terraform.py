"""What the Terraform files say, in the words of the comparison."""

from __future__ import annotations

import json
import re
from typing import Any

import hcl2
from hcl2.utils import SerializationOptions

from tests.support.documents import ROOT

FOLDER = ROOT / "examples" / "terraform"

_PLAIN = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
# What SAM has no parameter for: it names the stack, and packs code and layer itself.
_TERRAFORMS_OWN = {"name", "package", "layer"}
# What a kind of resource adds to its name, which SAM's logical ids spell out.
_SUFFIX = {
    "aws_cloudwatch_event_rule": "_rule",
    "aws_cloudwatch_log_group": "_logs",
    "aws_iam_role": "_role",
}
_REFERENCE = re.compile(r"\$\{(?:data\.)?(\w+)\.(\w+)(?:\[0\])?\.(\w+)\}(:\*)?")
_VARIABLE = re.compile(r"\$\{var\.(\w+)\}")
_EACH = re.compile(r"\$\{each\.(key|value)(?:\.(\w+))?\}")
_TEMPLATE_FILE = re.compile(r'\$\{templatefile\("\$\{path\.module\}/([\w.]+)", \{(.*)\}\)\}')
_JSON = re.compile(r"\$\{jsonencode\((.*)\)\}", re.DOTALL)

Resources = dict[str, Any]
"""The body of each resource and data block, by `type.name`."""


def stated() -> dict[str, Any]:
    """Return what the files say, by the name of each thing said."""
    resources = _blocks("resource", "data")
    return {
        **_records(resources["aws_dynamodb_table.records"]),
        **_queues(resources),
        **_rule(resources),
        **_consumer(resources),
        **_alarms(resources),
        **_dashboard(resources["aws_cloudwatch_dashboard.consumer"]),
        **_parameters(),
    }


def _blocks(*sorts: str) -> Resources:
    found: Resources = {}
    for content in _files():
        for block in (block for sort in sorts for block in content.get(sort, ())):
            for kind, named in block.items():
                found |= {f"{kind}.{name}": body for name, body in named.items()}
    return found


def _files() -> list[dict[str, Any]]:
    return [
        hcl2.loads(path.read_text(), serialization_options=_PLAIN)
        for path in sorted(FOLDER.glob("*.tf"))
    ]


def _records(table: dict[str, Any]) -> dict[str, Any]:
    ((ttl,), (recovery,)) = table["ttl"], table["point_in_time_recovery"]
    (encryption,) = table["server_side_encryption"]
    assert encryption["enabled"] == "${var.kms_key_arn != null}"
    return {
        "records: billing": table["billing_mode"],
        "records: key": [(table["hash_key"], "HASH")],
        "records: attributes": [(one["name"], one["type"]) for one in table["attribute"]],
        "records: TTL attribute": ttl["attribute_name"],
        "records: TTL": ttl["enabled"],
        "records: point-in-time recovery": recovery["enabled"],
        "records: deletion protection": table["deletion_protection_enabled"],
        "records: encryption": _name(encryption["kms_key_arn"]),
        "records: kept": table["lifecycle"][0]["prevent_destroy"],
    }


def _queues(resources: Resources) -> dict[str, Any]:
    events = resources["aws_sqs_queue.events"]
    redrive = _decoded(events["redrive_policy"])
    allowed = resources["aws_sqs_queue_redrive_allow_policy.dead_letters"]
    allow = _decoded(allowed["redrive_allow_policy"])
    policies = [resources[f"aws_sqs_queue_policy.{queue}"] for queue in ("events", "undelivered")]
    return {
        "events: visibility seconds": events["visibility_timeout_seconds"],
        "events: retention seconds": events["message_retention_seconds"],
        "events: dead letters": _name(redrive["deadLetterTargetArn"]),
        "events: receives": redrive["maxReceiveCount"],
        "dead letters: retention seconds": resources["aws_sqs_queue.dead_letters"][
            "message_retention_seconds"
        ],
        "dead letters: redrive": (
            allow["redrivePermission"],
            (_name(allowed["queue_url"]), *map(_name, allow["sourceQueueArns"]))
            == ("dead_letters", "events"),
        ),
        "undelivered: retention seconds": resources["aws_sqs_queue.undelivered"][
            "message_retention_seconds"
        ],
        "queues: encryption": [
            _name(resources[f"aws_sqs_queue.{queue}"]["kms_master_key_id"])
            for queue in ("events", "dead_letters", "undelivered")
        ],
        "events: senders": _policy(resources, policies[0]["policy"]),
        "undelivered: senders": _policy(resources, policies[1]["policy"]),
        "policies": {_name(policy["queue_url"]) for policy in policies},
    }


def _rule(resources: Resources) -> dict[str, Any]:
    rule = resources["aws_cloudwatch_event_rule.events"]
    target = resources["aws_cloudwatch_event_target.events"]
    assert _name(target["rule"]) == "events_rule"
    assert target["event_bus_name"] == rule["event_bus_name"]
    ((retry,), (dead_letters,)) = target["retry_policy"], target["dead_letter_config"]
    return {
        "rule: pattern": _decoded(rule["event_pattern"]),
        "rule: target": _name(target["arn"]),
        "rule: age seconds": retry["maximum_event_age_in_seconds"],
        "rule: attempts": retry["maximum_retry_attempts"],
        "rule: dead letters": _name(dead_letters["arn"]),
    }


def _consumer(resources: Resources) -> dict[str, Any]:
    function = resources["aws_lambda_function.consumer"]
    mapping = resources["aws_lambda_event_source_mapping.consumer"]
    role, policy = (
        resources[f"{kind}.consumer"] for kind in ("aws_iam_role", "aws_iam_role_policy")
    )
    assert _name(policy["role"]) == "consumer_role"
    ((logging,), (environment,)) = function["logging_config"], function["environment"]
    (tracing,), (scaling,) = function["tracing_config"], mapping["dynamic"]
    key, traced = (resources[f"aws_iam_role_policy.{name}"] for name in ("key", "tracing"))
    assert key["count"] == "${var.kms_key_arn == null ? 0 : 1}"
    assert traced["count"] == '${var.tracing == "Active" ? 1 : 0}'
    assert {_name(key["role"]), _name(traced["role"])} == {"consumer_role"}
    return {
        "function: handler": function["handler"],
        "function: runtime": function["runtime"],
        "function: timeout seconds": function["timeout"],
        "function: memory": function["memory_size"],
        "function: role": _name(function["role"]),
        "function: logs": (
            logging["log_format"],
            logging["application_log_level"],
            _name(logging["log_group"]),
        ),
        "function: environment": {
            name: _name(value) for name, value in environment["variables"].items()
        },
        "function: architectures": [_name(one) for one in function["architectures"]],
        "function: layers": [_name(one) for one in function["layers"]],
        "function: tracing": _name(tracing["mode"]),
        "function: encryption": _name(function["kms_key_arn"]),
        "function: concurrency": _name(function["reserved_concurrent_executions"]),
        "layer: runtimes": resources["aws_lambda_layer_version.library"]["compatible_runtimes"],
        "mapping: queue": _name(mapping["event_source_arn"]),
        "mapping: function": _name(mapping["function_name"]),
        "mapping: batch": _name(mapping["batch_size"]),
        "mapping: window": _name(mapping["maximum_batching_window_in_seconds"]),
        "mapping: concurrency": _maximum(scaling["scaling_config"]),
        "mapping: responses": mapping["function_response_types"],
        "role: trusts": _policy(resources, role["assume_role_policy"]),
        "role: allows": _policy(resources, policy["policy"]),
        "role: allows with a key": _policy(resources, key["policy"]),
        "role: allows with tracing": _policy(resources, traced["policy"]),
        "logs: days": _name(resources["aws_cloudwatch_log_group.consumer"]["retention_in_days"]),
        "logs: encryption": _name(resources["aws_cloudwatch_log_group.consumer"]["kms_key_id"]),
    }


def _maximum(scaling: dict[str, Any]) -> str:
    found = re.fullmatch(r"\$\{var\.(\w+) == 0 \? \[\] : \[var\.(\w+)\]\}", scaling["for_each"])
    assert found
    assert scaling["content"] == [{"maximum_concurrency": "${scaling_config.value}"}]
    assert found.group(1) == found.group(2)
    return found.group(1)


def _alarms(resources: Resources) -> dict[str, Any]:
    local: dict[str, Any] = {}
    for content in _files():
        for block in content.get("locals", ()):
            local |= block
    assert local["alarm_actions"] == "${var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]}"
    alarms = {"in_progress": resources["aws_cloudwatch_metric_alarm.in_progress"]}
    for sort in ("pipeline", "library"):
        body = resources[f"aws_cloudwatch_metric_alarm.{sort}"]
        assert body["for_each"] == f"${{local.{sort}_alarms}}"
        alarms |= {key: _each(body, key, value) for key, value in local[f"{sort}_alarms"].items()}
    return {
        f"alarm: {name}": {
            "description": alarm["alarm_description"],
            "metric": _metric(alarm) if "metric_name" in alarm else None,
            "queries": [_query(query) for query in alarm.get("metric_query", ())],
            "statistic": alarm.get("statistic"),
            "period": alarm.get("period"),
            "periods": alarm["evaluation_periods"],
            "threshold": _name(alarm["threshold"]),
            "operator": alarm["comparison_operator"],
            "missing": alarm["treat_missing_data"],
            "actions": {"${local.alarm_actions}": ["alarm_topic_arn"]}[alarm["alarm_actions"]],
        }
        for name, alarm in alarms.items()
    }


def _each(body: dict[str, Any], key: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return the body of one instance, its `each.key` and `each.value` filled in."""

    def filled(said: Any) -> Any:
        found = _EACH.fullmatch(said) if isinstance(said, str) else None
        if not found:
            return said
        return key if found.group(1) == "key" else value[found.group(2)]

    return {name: filled(said) for name, said in body.items()}


def _metric(stated: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    dimensions = {name: _name(value) for name, value in stated["dimensions"].items()}
    return stated["namespace"], stated["metric_name"], dimensions


def _query(query: dict[str, Any]) -> dict[str, Any]:
    if "expression" in query:
        assert query["return_data"] is True
        return {"id": query["id"], "expression": query["expression"]}
    ((metric,),) = (query["metric"],)
    return {"id": query["id"], "metric": (*_metric(metric), metric["period"], metric["stat"])}


def _dashboard(dashboard: dict[str, Any]) -> dict[str, Any]:
    found = _TEMPLATE_FILE.fullmatch(dashboard["dashboard_body"])
    assert found, dashboard
    path, values = found.groups()
    named = (value.split(" = ") for value in values.split(", "))
    return {
        "dashboard: body": (FOLDER / path).read_text(),
        "dashboard: values": {
            name: "region" if value == "data.aws_region.current.id" else _name(f"${{{value}}}")
            for name, value in named
        },
    }


def _parameters() -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for content in _files():
        for block in content.get("variable", ()):
            variables |= block
    return {
        f"parameter: {name}": (
            # A parameter of SAM has no other way to have no value.
            "" if said["default"] is None else said["default"],
            said["description"],
            _allowed(name, said),
        )
        for name, said in variables.items()
        if name not in _TERRAFORMS_OWN
    }


def _allowed(name: str, variable: dict[str, Any]) -> list[Any]:
    if "validation" not in variable:
        return []
    ((validation,),) = (variable["validation"],)
    condition = validation["condition"]
    within = re.fullmatch(rf"\$\{{var\.{name} >= (-?\d+) && var\.{name} <= (\d+)\}}", condition)
    if within:
        return [int(limit) for limit in within.groups()]
    one_of = re.fullmatch(rf"\$\{{contains\((\[.*\]), var\.{name}\)\}}", condition)
    assert one_of, condition
    allowed: list[Any] = json.loads(one_of.group(1))
    return allowed


def _policy(resources: Resources, reference: str) -> list[dict[str, Any]]:
    document = resources[f"aws_iam_policy_document.{_name(reference)}"]
    return [
        {
            "actions": sorted(statement["actions"]),
            "on": next(map(_name, statement.get("resources", ())), None),
            "by": next(
                (one for by in statement.get("principals", ()) for one in by["identifiers"]), None
            ),
            "if": [
                (condition["test"], condition["variable"], _name(value))
                for condition in statement.get("condition", ())
                for value in condition["values"]
            ],
        }
        for statement in document["statement"]
    ]


def _decoded(expression: str) -> dict[str, Any]:
    """Return what `jsonencode(...)` would encode, references left as they are."""
    found = _JSON.fullmatch(expression)
    assert found, expression
    decoded: dict[str, Any] = hcl2.loads(
        f"decoded = {found.group(1)}\n", serialization_options=_PLAIN
    )["decoded"]
    return decoded


def _name(value: Any) -> Any:
    """Return the thing a reference points at: `dead_letters` for `aws_sqs_queue.dead_letters.arn`.

    A log group's streams are `arn:*` here, and the whole of what CloudFormation calls its ARN.
    """
    variable = _VARIABLE.fullmatch(str(value))
    if variable:
        return variable.group(1)
    found = _REFERENCE.fullmatch(str(value))
    if not found:
        return value
    kind, name, attribute, streams = found.groups()
    if ((kind, attribute) == ("aws_cloudwatch_log_group", "arn")) != bool(streams):
        return value
    return name + _SUFFIX.get(kind, "")
