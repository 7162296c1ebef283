"""The SQS batch adapter: settles a batch, shows its outcomes, and answers Lambda."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.manager import ClaimManager
from cxone_idem.config import checked_workers
from cxone_idem.errors import StoreError, require
from cxone_idem.events.handler import EventHandler, checked_decode
from cxone_idem.runtime import Runtime
from cxone_idem.sqs.decoding import Decode
from cxone_idem.sqs.logs import log_batch
from cxone_idem.sqs.message import read_batch
from cxone_idem.sqs.outcome import ACKNOWLEDGED, MessageStatus, Outcome
from cxone_idem.sqs.run import BatchRun
from cxone_idem.sqs.tracebacks import let_go

if TYPE_CHECKING:
    from cxone_idem.sqs.visibility import VisibilityUpdater

logger = logging.getLogger("cxone_idem")

Envelope = dict[str, Any]
Event = TypeVar("Event", bound=Mapping[str, Any])
# The second is for type checkers alone, which take a lambda's argument from it.
ProcessEvent = Callable[[Event], object] | Callable[[Envelope], object]
"""A function that does the work of an event, of any mapping type, such as a `TypedDict`."""


class BatchItemFailure(TypedDict):
    """A message that must come back."""

    itemIdentifier: Any
    """The message's id, a text: `Any` only because Powertools' type for it admits more."""


class BatchResponse(TypedDict):
    """The response of a Lambda function to SQS: the messages that must come back."""

    batchItemFailures: list[BatchItemFailure]


Observer = Callable[[Sequence["Outcome"]], object]
"""Gets the outcomes of a batch, in the order of its messages, once all of them are settled."""

_Seen = TypeVar("_Seen")

# A message behind another, or without a key, is no sign that others could be done.
_NO_EVIDENCE = frozenset({MessageStatus.GROUP_BLOCKED, MessageStatus.KEY_MISSING})


class BatchProcessor:
    """Settles batches of one claim manager, and has the observers look at each."""

    def __init__(
        self,
        claims: ClaimManager,
        on_outcome: Callable[[Outcome], object] | None,
        runtime: Runtime,
        decode: Decode | None = None,
    ) -> None:
        self._claims = claims
        self._decode = checked_decode(decode)
        self._on_outcome = _checked_hook(on_outcome)
        self._observers: list[Observer] = []
        if claims.config.metrics:
            # Imported here: who writes no metrics need not load what writes them.
            from cxone_idem.sqs.metrics import MetricsLine  # noqa: PLC0415

            self._observers.append(MetricsLine(claims.config, claims.counters, runtime.now))

    def prepare(self) -> None:
        """Create the clients that batches need, in Lambda's init phase and not in an invocation."""
        _ = self._visibility

    def settle(
        self,
        event: Any,
        process_event: Callable[[Any], object],
        invocation: Invocation,
        *,
        max_workers: int | None = None,
        decode: Decode | None = None,
    ) -> list[Outcome]:
        """Run `process_event` once per key over a batch; return the outcome of each message.

        An outcome keeps its error, but not the data that the handler worked on.
        """
        workers = (
            self._claims.config.max_workers if max_workers is None else checked_workers(max_workers)
        )
        handler = EventHandler(process_event, checked_decode(decode) or self._decode)
        return _without_frames(self._settle(event, handler, invocation, workers))

    def _settle(
        self,
        event: Any,
        handler: EventHandler,
        invocation: Invocation,
        workers: int,
    ) -> list[Outcome]:
        messages = read_batch(event)
        outcomes = BatchRun(self._claims, handler, invocation, workers).settle(messages)
        log_batch(outcomes)
        self._show(outcomes, invocation)
        return outcomes

    def _show(self, outcomes: Sequence[Outcome], invocation: Invocation) -> None:
        observers = list(self._observers)
        if self._visibility:
            observers.append(partial(self._visibility.update, invocation=invocation))
        for observer in observers:
            _notify(observer, outcomes)
        if self._on_outcome is not None:
            for outcome in outcomes:
                _notify(self._on_outcome, outcome)

    @cached_property
    def _visibility(self) -> VisibilityUpdater | None:
        if not self._claims.config.align_visibility:
            return None
        # Imported here: only who asks for it pays for the SQS client.
        from cxone_idem.sqs.visibility import VisibilityUpdater  # noqa: PLC0415

        return VisibilityUpdater()


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
        outcome.message.id for outcome in outcomes if outcome.status not in ACKNOWLEDGED
    )
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}


def _without_frames(outcomes: list[Outcome]) -> list[Outcome]:
    """Return outcomes whose errors keep nothing of their messages.

    No frame that the errors passed may hold the outcomes: it would keep them, and they it.
    """
    for outcome in outcomes:
        let_go(outcome.error)
    return outcomes


def _hopeless_error(outcomes: Sequence[Outcome]) -> BaseException | None:
    """Return what failed every message, if retrying cannot help any of them."""
    evidence = [outcome for outcome in outcomes if outcome.status not in _NO_EVIDENCE]
    if evidence and all(_is_hopeless(outcome) for outcome in evidence):
        return evidence[0].error
    return None


def _is_hopeless(outcome: Outcome) -> bool:
    if outcome.status is MessageStatus.STORE_FAILED:
        return isinstance(outcome.error, StoreError) and not outcome.error.retryable
    return outcome.status is MessageStatus.SECOND_HANDLER


def _checked_hook(hook: Any) -> Callable[[Outcome], object] | None:
    """Return the function to call with each outcome; raise `TypeError` if it is none."""
    is_right = hook is None or (callable(hook) and not inspect.iscoroutinefunction(hook))
    expected = "on_outcome must be a plain function of one Outcome, not async"
    require(is_right, expected, hook, "write `def on_outcome(outcome):`")
    checked: Callable[[Outcome], object] | None = hook
    return checked


def _notify(observer: Callable[[_Seen], object], seen: _Seen) -> None:
    """Call an observer; what goes wrong with it changes nothing."""
    try:
        observer(seen)
    except Exception:
        logger.exception("an observer of the batch failed; the outcomes stay as they are")
