"""Alarms: somebody hears of what waits among the dead letters, and of what the library counts."""

from __future__ import annotations

from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import advice, last_name

_WATCHED = "store_failed"


def alarms_on_letters(account: Account, letters_arn: str | None) -> int:
    """Return how many alarms watch the depth of a dead-letter queue; without a queue, -1."""
    if not letters_arn:
        return -1
    queue = {"Name": "QueueName", "Value": last_name(letters_arn)}
    return _alarms(account, "AWS/SQS", "ApproximateNumberOfMessagesVisible", [queue])


def alarms_on_library(account: Account, config: Config) -> int:
    """Return how many alarms watch one metric of the line that a function writes; -1 without it."""
    if not config.metrics:
        return -1
    consumer = {"Name": "namespace", "Value": config.namespace}
    return _alarms(account, config.metrics, _WATCHED, [consumer] if config.namespace else [])


def _alarms(account: Account, namespace: str, metric: str, dimensions: list[dict[str, str]]) -> int:
    """Return how many alarms that may act are about exactly this metric."""
    of = {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions}
    answer = account.ask("cloudwatch", "describe_alarms_for_metric", **of)
    return sum(
        alarm.get("ActionsEnabled", True)
        # AWS compares the dimensions itself; not every stand-in does.
        and alarm.get("Dimensions", dimensions) == dimensions
        for alarm in answer["MetricAlarms"]
    )


LETTERS_ALARM_CHECK = advice(
    "dead-letter-alarm",
    lambda part: part.alarms == 0,
    "alarms on the depth of {dead_letters} (those of metric math are not seen): {alarms}",
    "events wait there until they are lost, and nobody knows",
    "make an alarm on its ApproximateNumberOfMessagesVisible > 0",
)
LIBRARY_ALARM_CHECK = advice(
    "library-alarm",
    lambda function: function.alarms == 0,
    f"alarms on {_WATCHED} of CXONE_IDEM_METRICS {{config.metrics!r}}, with the dimension namespace"
    " {config.namespace!r}: {alarms}",
    "an alarm on another dimension matches nothing: lost claims and a lost table wake nobody",
    "make the alarms of examples/operations/README.md, with this namespace as their dimension",
)
