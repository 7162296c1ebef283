"""The SQS batch adapter: what happens to each message, and what Lambda is told."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from cxone_idem.batch_run import BatchRun
from cxone_idem.fate import DELETED, Fate
from cxone_idem.sqs_message import Message, read_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.claims import Claims
    from cxone_idem.invocation import LambdaContext

logger = logging.getLogger("cxone_idem")

Envelope = dict[str, Any]
BatchResponse = dict[str, list[dict[str, str]]]

_NOT_ASYNC = (
    "process_event is async, so calling it does no work; retrying does not help: pass a plain"
    " function, such as lambda event: asyncio.run(process_event(event))"
)


def process_batch(
    claims: Claims,
    event: Any,
    process_event: Callable[[Envelope], object],
    context: LambdaContext | None,
    max_workers: int,
) -> BatchResponse:
    """Run `process_event` once per key over an SQS batch; return the messages that failed."""
    _check_handler(process_event)
    messages = read_batch(event)

    def run(envelope: Envelope) -> None:
        result = process_event(envelope)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(_NOT_ASYNC)

    fates = BatchRun(claims, run, context, max_workers).settle(messages)
    logger.info("batch of %d: %s", len(messages), dict(Counter(fate.value for fate in fates)))
    return _response(messages, fates)


def _check_handler(process_event: object) -> None:
    if not callable(process_event):
        kind = type(process_event).__name__
        message = f"process_event must be a function of the event, not a {kind}"
        raise TypeError(message)
    if inspect.iscoroutinefunction(process_event):
        raise TypeError(_NOT_ASYNC)


def _response(messages: Sequence[Message], fates: Sequence[Fate]) -> BatchResponse:
    """Name each failed message once, by the id it came with.

    Lambda takes an id that is empty or not of the batch as "all failed" and a wrong shape as "all
    succeeded" ("Handling errors for an SQS event source in Lambda").
    """
    done = {message.id for message, fate in zip(messages, fates, strict=True) if fate in DELETED}
    failed = list(dict.fromkeys(message.id for message in messages if message.id not in done))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
