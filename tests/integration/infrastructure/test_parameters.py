"""The template with every parameter set: each reaches what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.infrastructure.deployment import Deployment, deployed
from tests.support.engines import require

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

KEY = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"


@pytest.fixture(scope="module")
def changed() -> Iterator[Deployment]:
    """Return a stack with no parameter at its default but the bus."""
    require("ministack")
    with deployed(
        Namespace="another",
        Architecture="x86_64",
        BatchSize="50",
        BatchWindowSeconds="5",
        MaximumConcurrency="7",
        ReservedConcurrency="8",
        Tracing="Active",
        LogRetentionDays="30",
        KmsKeyArn=KEY,
        AlarmTopicArn=TOPIC,
        UsualEmittedAgain="3",
    ) as stack:
        yield stack


def test_the_function_is_as_asked(changed: Deployment) -> None:
    """Processor, tracing, namespace, mapping.

    The stand-in's CloudFormation leaves out a function's key and its reserved concurrency.
    """
    client = changed.client("lambda")
    (function,) = client.list_functions()["Functions"]
    assert function["Architectures"] == ["x86_64"]
    assert function["TracingConfig"]["Mode"] == "Active"
    assert function["Environment"]["Variables"]["CXONE_IDEM_NAMESPACE"] == "another"
    (mapping,) = client.list_event_source_mappings()["EventSourceMappings"]
    assert mapping["BatchSize"] == 50
    assert mapping["MaximumBatchingWindowInSeconds"] == 5
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 7}


def test_the_key_is_on_what_rests(changed: Deployment) -> None:
    """Queues, table and log group; the role may use it, and may send traces."""
    for queue in ("Events", "DeadLetters", "Undelivered"):
        found = changed.sqs.get_queue_attributes(
            QueueUrl=changed.outputs[f"{queue}Queue"], AttributeNames=["KmsMasterKeyId"]
        )
        assert found["Attributes"] == {"KmsMasterKeyId": KEY}
    (group,) = changed.client("logs").describe_log_groups()["logGroups"]
    assert (group["retentionInDays"], group["kmsKeyId"]) == (30, KEY)
    iam = changed.client("iam")
    (role,) = (role["RoleName"] for role in iam.list_roles()["Roles"])
    policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
    assert sorted(policies) == ["consumer", "key", "tracing"]


def test_alarms_go_to_the_topic(changed: Deployment) -> None:
    """Each, with the namespace and the threshold that were set."""
    alarms = changed.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) > 10
    for alarm in alarms:
        assert alarm["AlarmActions"] == [TOPIC]
        if alarm["Namespace"] == "cxone_idem":
            assert alarm["Dimensions"] == [{"Name": "namespace", "Value": "another"}]
        if alarm["MetricName"] == "duplicates_cxone_emitted_again":
            assert alarm["Threshold"] == 3
