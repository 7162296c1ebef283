"""The deployed alarms, judged as CloudWatch would: by the metrics of the log and of the queues."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.infrastructure.deployment import Deployment

# Nobody waits for an alarm about age: the queues are looked at as if nothing changed until then.
_LATER_SECONDS = 1800


class Metric(NamedTuple):
    """A value of a metric, as it is published."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    value: float


def alarmed(deployment: Deployment) -> list[str]:
    """Return the alarms whose metric is over their threshold, as the guides name them.

    The stand-in's own judgement of an alarm does not look at dimensions.
    """
    sources = (_of_the_log, _of_the_queues, _of_the_function)
    published = [metric for source in sources for metric in source(deployment)]
    alarms = deployment.client("cloudwatch").describe_alarms()["MetricAlarms"]
    names = [
        alarm["AlarmName"].split("-")[1].removesuffix("Alarm")
        for alarm in alarms
        if _measured(alarm, published) > alarm["Threshold"]
    ]
    return sorted(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names)


def _measured(alarm: dict[str, Any], published: list[Metric]) -> float:
    """Return an alarm's statistic of its metric, zero without data."""
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    watched = (alarm["Namespace"], alarm["MetricName"], dimensions)
    values = [metric.value for metric in published if metric[:3] == watched]
    return float(sum(values) if alarm["Statistic"] == "Sum" else max([0, *values]))


def _of_the_log(deployment: Deployment) -> Iterator[Metric]:
    """Make metrics of the lines in embedded metric format."""
    for line in deployment.log():
        if not line.startswith('{"_aws"'):
            continue
        document = json.loads(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            (names,) = directive["Dimensions"]
            dimensions = {name: document[name] for name in names}
            for metric in directive["Metrics"]:
                name = metric["Name"]
                yield Metric(directive["Namespace"], name, dimensions, document[name])


def _of_the_queues(deployment: Deployment) -> Iterator[Metric]:
    """Make SQS's metrics of depth and age."""
    for queue in ("Events", "DeadLetters", "Undelivered"):
        url = deployment.outputs[f"{queue}Queue"]
        dimensions = {"QueueName": url.rpartition("/")[2]}
        visible = deployment.visible(f"{queue}Queue")
        yield Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimensions, visible)
        # What is visible now has nobody who takes it, and is as old as that then.
        age_seconds = _LATER_SECONDS if visible else 0
        yield Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", dimensions, age_seconds)


def _of_the_function(deployment: Deployment) -> Iterator[Metric]:
    """Make Lambda's metrics of the invocations by the test."""
    dimensions = {"FunctionName": deployment.function()["FunctionName"]}
    yield Metric("AWS/Lambda", "Errors", dimensions, len(deployment.errors))
    yield Metric("AWS/Lambda", "Throttles", dimensions, deployment.throttles)
