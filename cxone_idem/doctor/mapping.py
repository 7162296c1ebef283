"""An event source mapping: it delivers a queue's messages to a function as the library needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.doctor.check import Facts, last_name, wrong

if TYPE_CHECKING:
    from cxone_idem.doctor.account import Account


def read_mappings(account: Account, **of: str) -> list[Facts]:
    """Read the mappings from queues of one function or one queue, in AWS's names."""
    answer = account.ask("lambda", "list_event_source_mappings", **of)["EventSourceMappings"]
    mappings = []
    for each in (each for each in answer if ":sqs:" in each.get("EventSourceArn", "")):
        queue, function = last_name(each["EventSourceArn"]), each["FunctionArn"].split(":", 6)[6]
        mappings.append(Facts(each, subject=f"mapping {queue} -> {function}"))
    return mappings


def delivery(mapping: Facts, queue: Facts, function: Facts) -> Facts:
    """Return how long a queue hides the messages that a mapping takes to a function."""
    # "Creating and configuring an SQS event source mapping": room for Lambda's own retries.
    needed = 6 * function.Timeout
    window = mapping.MaximumBatchingWindowInSeconds or 0
    facts = {"visible": queue.visible, "needed": needed, "window": window, "whole": needed + window}
    return Facts(facts, subject=queue.subject, function=function)


MAPPING_CHECKS = (
    wrong(
        "mapping-state",
        lambda mapping: mapping.State not in {"Creating", "Enabling", "Enabled", "Updating"},
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
DELIVERY_CHECKS = (
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
)
