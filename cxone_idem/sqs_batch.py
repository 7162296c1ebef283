"""The SQS batch adapter: what happens to each message, and what Lambda is told."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cxone_idem.batch_run import BatchRun
from cxone_idem.fate import DELETED
from cxone_idem.outcome_log import tell_all
from cxone_idem.sqs_message import read_batch

if TYPE_CHECKING:
    from cxone_idem.claims import Claims
    from cxone_idem.invocation import Invocation
    from cxone_idem.outcome import Outcome

logger = logging.getLogger("cxone_idem")

Envelope = dict[str, Any]
BatchResponse = dict[str, list[dict[str, str]]]

Observer = Callable[[Sequence["Outcome"]], object]
"""Sees the outcomes of a batch, in the order of its messages, once all of them are settled."""

_Seen = TypeVar("_Seen")

_NOT_ASYNC = (
    "process_event is async, so calling it does no work; retrying does not help: pass a plain"
    " function, or use cxone_idem.aio.AsyncDeduplicator, whose process_batch awaits it"
)


def settle_batch(
    claims: Claims,
    event: Any,
    process_event: Callable[[Envelope], object],
    invocation: Invocation,
    max_workers: int,
) -> list[Outcome]:
    """Run `process_event` once per key over an SQS batch; say what became of each message."""
    check_callable(process_event)
    if inspect.iscoroutinefunction(process_event):
        raise TypeError(_NOT_ASYNC)
    messages = read_batch(event)

    def run(envelope: Envelope) -> None:
        result = process_event(envelope)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(_NOT_ASYNC)

    outcomes = BatchRun(claims, run, invocation, max_workers).settle(messages)
    tell_all(outcomes)
    return outcomes


def check_callable(process_event: object) -> None:
    """Raise `TypeError` unless there is something to call for each event."""
    if not callable(process_event):
        kind = type(process_event).__name__
        message = f"process_event must be a function of the event, not a {kind}"
        raise TypeError(message)


def checked_hook(hook: Any) -> Callable[[Outcome], object] | None:
    """Return what is to be called with each outcome; raise `TypeError` if it cannot be."""
    if hook is None:
        return None
    if callable(hook) and not inspect.iscoroutinefunction(hook):
        checked: Callable[[Outcome], object] = hook
        return checked
    kind = type(hook).__name__
    message = f"on_outcome must be a plain function of one Outcome, not async, not a {kind}"
    raise TypeError(message)


def show(seen: _Seen, observer: Callable[[_Seen], object]) -> None:
    """Let `observer` see what became of a batch; what goes wrong with it changes nothing."""
    try:
        observer(seen)
    except Exception:
        logger.exception("an observer of the batch failed; the outcomes stand as they are")


def batch_response(outcomes: Sequence[Outcome]) -> BatchResponse:
    """Name each failed message once, by the id it came with.

    Lambda takes an id that is empty or not of the batch as "all failed" and a wrong shape as "all
    succeeded" ("Handling errors for an SQS event source in Lambda").
    """
    done = {outcome.message.id for outcome in outcomes if outcome.fate in DELETED}
    failed = dict.fromkeys(outcome.message.id for outcome in outcomes)
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed if one not in done]}
