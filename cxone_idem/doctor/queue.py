"""A queue, and the mapping that takes its messages to a function: nothing is lost on the way."""

from __future__ import annotations

import json

from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.alarm import LETTERS_ALARM_CHECK, alarms_on_letters
from cxone_idem.doctor.check import Facts, UnreadError, advice, fact, last_name, wrong

_KEPT = "MessageRetentionPeriod"


def read_queue(account: Account, name: str, config: Config | UnreadError) -> Facts:
    """Read a queue by its name, URL or ARN, for a consumer with these settings."""
    attributes = queue_attributes(account, name)
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    letters_arn = redrive.get("deadLetterTargetArn", "")
    letters = fact(lambda: queue_attributes(account, letters_arn)) if letters_arn else {}
    unread = letters if isinstance(letters, UnreadError) else None
    gone = unread is not None and unread.absent
    return Facts(
        attributes,
        checks=_QUEUE_CHECKS,
        subject=f"queue {last_name(attributes['QueueArn'])}",
        receives=int(redrive.get("maxReceiveCount", 0)) if letters_arn else "unlimited",
        dead_letters=(last_name(letters_arn) or "none") + ", which does not exist" * gone,
        no_dead_letters=gone or not letters_arn,
        alarms=fact(lambda: alarms_on_letters(account, "" if gone else letters_arn)),
        kept_seconds=unread or sum(int(each.get(_KEPT, 0)) for each in (attributes, letters)),
        letters_seconds=None if gone or not letters_arn else unread or int(letters.get(_KEPT, 0)),
        functions=fact(lambda: _functions(account, attributes["QueueArn"])),
        config=config,
    )


def queue_attributes(account: Account, name: str) -> dict[str, str]:
    """Return a queue's attributes, in AWS's names, by its name, URL or ARN."""
    url = name
    if not name.startswith(("http://", "https://")):
        *_, owner, short = ["", *name.split(":")]
        of = {"QueueOwnerAWSAccountId": owner} if owner else {}
        url = account.ask("sqs", "get_queue_url", QueueName=short, **of)["QueueUrl"]
    answer = account.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    attributes: dict[str, str] = answer["Attributes"]
    return attributes


def read_mappings(account: Account, **of: str) -> list[Facts]:
    """Read the mappings from queues of one function or one queue, in AWS's names."""
    answer = account.ask("lambda", "list_event_source_mappings", **of)["EventSourceMappings"]
    mappings = []
    for each in (each for each in answer if ":sqs:" in each.get("EventSourceArn", "")):
        queue, function = last_name(each["EventSourceArn"]), each["FunctionArn"].split(":", 6)[6]
        mappings.append(
            Facts(each, checks=_MAPPING_CHECKS, subject=f"mapping {queue} -> {function}")
        )
    return mappings


def _functions(account: Account, queue_arn: str) -> str:
    mappings = read_mappings(account, EventSourceArn=queue_arn)
    names = sorted({each.subject.rpartition(" -> ")[2] for each in mappings if runs(each)})
    return ", ".join(names) or "none"


def delivery(mapping: Facts, queue: Facts, function: Facts) -> Facts:
    """Return how long a queue hides the messages that a mapping takes to a function."""
    # "Creating and configuring an SQS event source mapping": room for Lambda's own retries.
    needed = 6 * function.Timeout
    window = mapping.MaximumBatchingWindowInSeconds or 0
    facts = {
        "visible": int(queue.VisibilityTimeout),
        "needed": needed,
        "window": window,
        "whole": needed + window,
        "limited": not runs(mapping) or maximum_concurrency(mapping) > 0,
    }
    return Facts(facts, checks=_DELIVERY_CHECKS, subject=queue.subject, function=function)


def runs(mapping: Facts) -> bool:
    """Return whether a mapping takes messages, or will soon."""
    return mapping.State in {"Creating", "Enabling", "Enabled", "Updating"}


def maximum_concurrency(mapping: Facts) -> int:
    """Return how many invocations at a time a mapping asks for; 0 is no limit."""
    limits = mapping.ScalingConfig if runs(mapping) else None
    return int((limits or {}).get("MaximumConcurrency") or 0)


_THROTTLED = (
    "Lambda throttles the rest: each throttled batch counts as a receive, and good messages"
    " become dead letters"
)
# "Creating and configuring an SQS event source mapping": maxReceiveCount is at least 5, so that
# throttled or briefly failing messages do not end in the dead-letter queue.
_QUEUE_CHECKS = (
    wrong(
        "dead-letter-queue",
        lambda queue: queue.no_dead_letters,
        "its dead-letter queue: {dead_letters}",
        "a message that cannot be processed comes back until its retention ends, and is then lost",
        "create it; have the redrive policy name it, with maxReceiveCount 5 or more",
    ),
    wrong(
        "receive-count",
        lambda queue: queue.receives in range(5),
        "maxReceiveCount is {receives}; expected 5 or more",
        "a key in progress elsewhere, throttling or a short outage uses receives up, and sends good"
        " messages to the dead-letter queue",
        "set maxReceiveCount to 5 or more",
    ),
    wrong(
        "retention",
        lambda queue: queue.kept_seconds > queue.config.retention_seconds,
        "{kept_seconds} s, dead-letter queue included; records {config.retention_seconds} s",
        "a copy that is redriven late comes after its record counts as absent, and is done again",
        "set CXONE_IDEM_RETENTION_SECONDS to {kept_seconds} or more, or keep messages shorter",
    ),
    advice(
        "dead-letter-retention",
        lambda queue: (
            ".fifo" not in queue.QueueArn
            and None is not queue.letters_seconds < int(queue.get(_KEPT, 0))
        ),
        "its dead letters are kept {letters_seconds} s; expected no less than its own messages",
        "a standard queue counts from when the message was first sent: late dead letters are"
        " deleted on arrival",
        "give the dead-letter queue the longer retention",
    ),
    wrong(
        "consumers",
        lambda queue: ", " in queue.functions,
        "functions that take messages from it: {functions}",
        "each message goes to one of them alone, at random: none of them gets all events",
        "give each function a queue of its own, with a target of the rule for each",
    ),
    LETTERS_ALARM_CHECK,
)
_MAPPING_CHECKS = (
    wrong(
        "mapping-state",
        lambda mapping: not runs(mapping),
        "{State}",
        "no message is consumed",
        "enable the mapping",
    ),
    wrong(
        "partial-failures",
        lambda mapping: "ReportBatchItemFailures" not in (mapping.FunctionResponseTypes or ()),
        "FunctionResponseTypes is {FunctionResponseTypes}",
        "Lambda ignores what process_batch answers and deletes failed messages: they are lost",
        "set FunctionResponseTypes to [ReportBatchItemFailures]",
    ),
)
_DELIVERY_CHECKS = (
    wrong(
        "visibility-timeout",
        lambda delivery: delivery.visible < delivery.needed,
        "{visible} s; expected {needed} s or more, 6 times the time-out of"
        " {function.FunctionName} ({function.Timeout} s)",
        "messages come back while their first delivery is still at work: each such return uses up a"
        " receive, and finds its key in progress",
        "set the visibility timeout to {whole} s",
    ),
    wrong(
        "batch-window",
        lambda delivery: delivery.window and delivery.visible < delivery.whole,
        "{window} s of a visibility timeout of {visible} s, of which {needed} s are needed",
        "the visibility timeout starts when the poller receives: what it then waits for a batch to"
        " fill is missing at the end",
        "set the visibility timeout to {whole} s, or shorten the window",
    ),
    wrong(
        "concurrency",
        lambda delivery: None is not delivery.function.reserved < delivery.function.maximum,
        "its mappings ask for {function.maximum} invocations at a time; {function.reserved} are"
        " reserved",
        _THROTTLED,
        "lower MaximumConcurrency, or raise the reserved concurrency",
    ),
    advice(
        "concurrency",
        lambda delivery: delivery.function.reserved and not delivery.limited,
        "{function.reserved} invocations at a time are reserved; the mapping asks for any number",
        _THROTTLED,
        "set MaximumConcurrency of the mapping, to no more than is reserved",
    ),
)
