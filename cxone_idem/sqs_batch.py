"""The SQS batch adapter: what happens to each message, and what Lambda is told."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cxone_idem.batch_run import BatchRun
from cxone_idem.errors import StoreError
from cxone_idem.event_function import check_handler, check_returned, name_of
from cxone_idem.fate import DELETED, Fate
from cxone_idem.frames import let_go
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

# A message that stands behind another, or has no key, is no sign that others could be done.
_SAYS_NOTHING = frozenset({Fate.GROUP_BLOCKED, Fate.KEY_MISSING})


def settle_batch(
    claims: Claims,
    event: Any,
    process_event: Callable[[Envelope], object],
    invocation: Invocation,
    max_workers: int,
) -> list[Outcome]:
    """Run `process_event` once per key over an SQS batch; say what became of each message."""
    check_handler(process_event)
    messages = read_batch(event)
    name = name_of(process_event)

    def run(envelope: Envelope) -> None:
        check_returned(name, process_event(envelope))

    outcomes = BatchRun(claims, run, name, invocation, max_workers).settle(messages)
    tell_all(outcomes)
    return outcomes


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


def without_frames(outcomes: list[Outcome]) -> list[Outcome]:
    """Return `outcomes` once nothing of their messages is kept by their errors."""
    for outcome in outcomes:
        let_go(outcome.error)
    return outcomes


def batch_response(outcomes: Sequence[Outcome]) -> BatchResponse:
    """Name each failed message once, by the id it came with.

    Lambda takes an id that is empty or not of the batch as "all failed" and a wrong shape as "all
    succeeded" ("Handling errors for an SQS event source in Lambda"). EventBridge Pipes reads the
    same answer ("Amazon EventBridge Pipes batching and concurrency").

    If retrying cannot help any message, raises what failed them: Lambda's Errors metric then sees
    it, and the whole batch comes back either way.
    """
    error = _hopeless_error(outcomes)
    if error is not None:
        try:
            raise error
        finally:
            del error, outcomes  # or the error would keep itself alive
    failed = dict.fromkeys(
        outcome.message.id for outcome in outcomes if outcome.fate not in DELETED
    )
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}


def _hopeless_error(outcomes: Sequence[Outcome]) -> BaseException | None:
    """Return what failed every message, if retrying cannot help any of them."""
    telling = [outcome for outcome in outcomes if outcome.fate not in _SAYS_NOTHING]
    if telling and all(_is_hopeless(outcome) for outcome in telling):
        return telling[0].error
    return None


def _is_hopeless(outcome: Outcome) -> bool:
    if outcome.fate is Fate.STORE_FAILED:
        return isinstance(outcome.error, StoreError) and not outcome.error.retryable
    return outcome.fate is Fate.SECOND_HANDLER
