"""The template at work: deployed to the local stand-in, driven by events on the bus."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from examples.infrastructure.local import template
from tests.integration.infrastructure.deployment import until

if TYPE_CHECKING:
    from tests.integration.infrastructure.deployment import Deployment

pytestmark = pytest.mark.engine


def started(key: str) -> dict[str, Any]:
    """Return the detail of a `conversation.start`."""
    return {"IdempotencyKey": key, "eventType": "conversation.start"}


def record(deployment: Deployment, key: str) -> dict[str, Any]:
    """Return the record of a key, in the namespace that the template sets; empty if none."""
    where = f"cxone-consumer#{key}"
    return next((one for one in deployment.records() if one["id"] == where), {})


def metrics_lines(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the lines of metrics in the function's log."""
    return [json.loads(line) for line in deployment.log() if line.startswith('{"_aws"')]


def test_duplicates_have_one_effect(deployment: Deployment) -> None:
    """The producer emits a key three times, in one request and in two: one effect."""
    first = deployment.emit(started("twice"), started("once"))
    until(
        lambda: {record(deployment, key).get("state") for key in ("twice", "once")} == {"DONE"},
        "both keys are done",
    )
    # Not sooner: what is in progress elsewhere comes back after the 200 s of the template.
    later = deployment.emit(started("twice"), started("twice"))
    until(lambda: deployment.waiting("EventsQueue") == 0, "no message is left")
    processed = [re.sub(r".* ", "", effect) for effect in deployment.effects()]
    assert sorted(event for event in processed if event in {*first, *later}) == sorted(first)
    assert record(deployment, "twice")["generation"] == "1"


def test_an_event_of_another_type_is_no_message(deployment: Deployment) -> None:
    """The rule's filter keeps it from the queue, so no claim is made for it."""
    deployment.emit(started("unwanted"), detail_type="conversation.end")
    deployment.emit(started("wanted"))
    until(
        lambda: (
            record(deployment, "wanted").get("state") == "DONE"
            and deployment.waiting("EventsQueue") == 0
        ),
        "the wanted one is done and no message is left",
    )
    assert not record(deployment, "unwanted")


def test_what_always_fails_becomes_a_dead_letter_after_five_receives(
    deployment: Deployment,
) -> None:
    """Without its `eventType` the handler raises each time; its key is left free."""
    with deployment.bringing_back_soon():
        deployment.emit({"IdempotencyKey": "poison"})
        until(lambda: deployment.waiting("DeadLettersQueue") == 1, "the poison is a dead letter")
    letter = deployment.dead_letter()
    assert '"poison"' in letter["Body"]
    assert letter["Attributes"]["ApproximateReceiveCount"] == str(5 + 1)  # this one too
    until(lambda: record(deployment, "poison")["state"] == "RELEASED", "the key is free")


def test_metrics_are_written_as_they_are_watched(deployment: Deployment) -> None:
    """The function's log has lines of metrics whose dimension is the alarms'."""
    deployment.emit(started("measured"), started("measured"))
    until(
        lambda: any(line.get("duplicates") for line in metrics_lines(deployment)),
        "a line of metrics counts a duplicate",
    )
    alarms = deployment.client("cloudwatch").describe_alarms()["MetricAlarms"]
    watched = [alarm for alarm in alarms if alarm["Namespace"] == "cxone_idem"]
    assert len(watched) > 8
    for line in metrics_lines(deployment):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Dimensions"] == [["namespace"]]
        for alarm in watched:
            assert alarm["Namespace"] == directive["Namespace"]
            assert alarm["Dimensions"] == [{"Name": "namespace", "Value": line["namespace"]}]


def test_alarms_and_dashboard_name_what_was_deployed(deployment: Deployment) -> None:
    """Every queue, table and function that they watch is there, by the name it got."""
    cloudwatch = deployment.client("cloudwatch")
    (function,) = deployment.client("lambda").list_functions()["Functions"]
    (group,) = deployment.client("logs").describe_log_groups()["logGroups"]
    queues = {
        deployment.outputs[f"{queue}Queue"].rpartition("/")[2]
        for queue in ("Events", "DeadLetters", "Undelivered")
    }
    there = {
        "QueueName": queues,
        "FunctionName": {function["FunctionName"]},
        "TableName": {deployment.outputs["RecordsTable"]},
        "LogGroupName": {group["logGroupName"]},
        "namespace": {"cxone-consumer"},
    }
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        for dimension in alarm["Dimensions"]:
            assert dimension["Value"] in there[dimension["Name"]]
    answer = cloudwatch.get_dashboard(DashboardName=deployment.outputs["Dashboard"])
    widgets = json.loads(answer["DashboardBody"])["widgets"]
    for widget in widgets:
        assert widget["properties"]["region"] == "us-east-1"
        for row in widget["properties"].get("metrics", ()):
            if isinstance(row[0], str):
                assert row[3] in there[row[2]]
    sources = [widget["properties"]["query"] for widget in widgets if widget["type"] == "log"]
    assert len(sources) == 3
    assert all(query.startswith(f"SOURCE '{group['logGroupName']}' | ") for query in sources)


def test_what_was_deployed_is_what_the_template_says(deployment: Deployment) -> None:
    """The mapping, the redrive and the table as AWS's own calls report them.

    The stand-in's CloudFormation leaves out point-in-time recovery, so that is asked for by a call
    of its own, with the values of the template.
    """
    dynamodb = deployment.client("dynamodb")
    table = {"TableName": deployment.outputs["RecordsTable"]}
    stated = template()["Resources"]["Records"]["Properties"]
    dynamodb.update_continuous_backups(
        **table,
        PointInTimeRecoverySpecification=stated["PointInTimeRecoverySpecification"],
    )
    described = dynamodb.describe_table(**table)["Table"]
    assert described["DeletionProtectionEnabled"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    living = dynamodb.describe_time_to_live(**table)["TimeToLiveDescription"]
    assert living == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    (mapping,) = deployment.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["EventSourceArn"].endswith(":cxone-events")
