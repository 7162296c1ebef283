"""Checks an event source mapping: it delivers a queue's messages as the library needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.doctor.facts import Check, EventSource, Finding, Function, Queue, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator

# "Creating and configuring an SQS event source mapping": room for Lambda's own retries.
_TIMEOUTS_IN_VISIBILITY = 6
_RUNNING = frozenset({"Creating", "Enabling", "Enabled", "Updating"})


def check_event_source(source: EventSource) -> Iterator[Finding]:
    """Report whether the mapping runs, and whether failed messages come back."""
    subject = f"mapping {last_name(source.queue_arn)} -> {_function(source)}"
    check = Check("mapping-state", subject)
    if source.state in _RUNNING:
        yield check.ok(source.state)
    else:
        yield check.wrong(source.state, "no message is consumed", "enable the mapping")
    check = Check("partial-failures", subject)
    if source.reports_failures:
        yield check.ok("ReportBatchItemFailures is on")
    else:
        yield check.wrong(
            "ReportBatchItemFailures is off",
            "Lambda ignores what process_batch answers and deletes failed messages: they are lost",
            "set FunctionResponseTypes to [ReportBatchItemFailures]",
        )


def check_visibility(source: EventSource, queue: Queue, function: Function) -> Iterator[Finding]:
    """Report whether a message stays hidden while its function may work on it."""
    subject = f"queue {last_name(queue.arn)}"
    visible = queue.visibility_timeout_seconds
    needed = _TIMEOUTS_IN_VISIBILITY * function.timeout_seconds
    check = Check("visibility-timeout", subject)
    if visible < needed:
        yield check.wrong(
            f"{visible} s; expected {needed} s or more, {_TIMEOUTS_IN_VISIBILITY} times the"
            f" time-out of {function.name} ({function.timeout_seconds} s)",
            "messages come back while their first delivery is still at work: each such return uses"
            " up a receive, and finds its key in progress",
            f"set the visibility timeout to {needed + source.batch_window_seconds} s",
        )
    else:
        yield check.ok(f"{visible} s for a function time-out of {function.timeout_seconds} s")
    yield _window(source, visible, needed, Check("batch-window", subject))


def _window(source: EventSource, visible: int, needed: int, check: Check) -> Finding:
    window = source.batch_window_seconds
    if not window or visible - window >= needed:
        return check.ok(f"{window} s")
    return check.wrong(
        f"{window} s of a visibility timeout of {visible} s, of which {needed} s are needed",
        "the visibility timeout starts when the poller receives: what it then waits for a batch to"
        " fill is missing at the end",
        f"set the visibility timeout to {needed + window} s, or shorten the window",
    )


def _function(source: EventSource) -> str:
    return source.function_arn.partition(":function:")[2] or source.function_arn
