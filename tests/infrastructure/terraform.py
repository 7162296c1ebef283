"""What the Terraform files say, in the words of the comparison."""

from __future__ import annotations

import re
from typing import Any

import hcl2
from hcl2.utils import SerializationOptions

from tests.readme import ROOT

FOLDER = ROOT / "examples" / "terraform"

_PLAIN = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
# What a kind of resource adds to its name, which SAM's logical ids spell out.
_SUFFIX = {
    "aws_cloudwatch_event_rule": "_rule",
    "aws_cloudwatch_log_group": "_logs",
    "aws_iam_role": "_role",
}
_REFERENCE = re.compile(r"\$\{(?:data\.)?(\w+)\.(\w+)\.(\w+)\}(:\*)?")
_JSON = re.compile(r"\$\{jsonencode\((.*)\)\}", re.DOTALL)

Resources = dict[str, Any]
"""The body of each resource and data block, by `type.name`."""


def stated() -> dict[str, Any]:
    """Return what the files say, by the name of each thing said."""
    resources = _resources()
    return {
        **_records(resources["aws_dynamodb_table.records"]),
        **_queues(resources),
        **_rule(resources),
        **_consumer(resources),
    }


def _resources() -> Resources:
    found: Resources = {}
    for path in sorted(FOLDER.glob("*.tf")):
        content = hcl2.loads(path.read_text(), serialization_options=_PLAIN)
        for block in (*content.get("resource", ()), *content.get("data", ())):
            for kind, named in block.items():
                found |= {f"{kind}.{name}": body for name, body in named.items()}
    return found


def _records(table: dict[str, Any]) -> dict[str, Any]:
    ((ttl,), (recovery,)) = table["ttl"], table["point_in_time_recovery"]
    return {
        "records: billing": table["billing_mode"],
        "records: key": [(table["hash_key"], "HASH")],
        "records: attributes": [(one["name"], one["type"]) for one in table["attribute"]],
        "records: TTL attribute": ttl["attribute_name"],
        "records: TTL": ttl["enabled"],
        "records: point-in-time recovery": recovery["enabled"],
        "records: deletion protection": table["deletion_protection_enabled"],
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
    return {
        "function: handler": function["handler"],
        "function: runtime": function["runtime"],
        "function: timeout seconds": function["timeout"],
        "function: memory": function["memory_size"],
        "function: role": _name(function["role"]),
        "function: logs": (logging["log_format"], _name(logging["log_group"])),
        "function: environment": {
            name: _name(value) for name, value in environment["variables"].items()
        },
        "mapping: queue": _name(mapping["event_source_arn"]),
        "mapping: function": _name(mapping["function_name"]),
        "mapping: batch": mapping["batch_size"],
        "mapping: responses": mapping["function_response_types"],
        "role: trusts": _policy(resources, role["assume_role_policy"]),
        "role: allows": _policy(resources, policy["policy"]),
        "logs: days": resources["aws_cloudwatch_log_group.consumer"]["retention_in_days"],
    }


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


def _name(value: str) -> str:
    """Return the thing a reference points at: `dead_letters` for `aws_sqs_queue.dead_letters.arn`.

    A log group's streams are `arn:*` here, and the whole of what CloudFormation calls its ARN.
    """
    found = _REFERENCE.fullmatch(value)
    if not found:
        return value
    kind, name, attribute, streams = found.groups()
    if ((kind, attribute) == ("aws_cloudwatch_log_group", "arn")) != bool(streams):
        return value
    return name + _SUFFIX.get(kind, "")
