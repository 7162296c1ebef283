"""The SQS batch adapter: what happens to each message, and what Lambda is told."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Any

from cxone_idem.errors import (
    ClaimLostError,
    IdemError,
    InProgressError,
    KeyMissingError,
    StoreError,
)
from cxone_idem.events import find_key, parse_envelope
from cxone_idem.invocation import Invocation, LambdaContext
from cxone_idem.sqs_message import Message, read_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.claims import Claims
    from cxone_idem.outcome import Claimed

logger = logging.getLogger("cxone_idem")

Envelope = dict[str, Any]
BatchResponse = dict[str, list[dict[str, str]]]


class Fate(Enum):
    """What became of a message. Each counts as failed unless `DELETED` says otherwise."""

    COMPLETED = "completed"
    ALREADY_DONE = "already_done"
    SAME_BATCH = "same_batch"
    CLAIM_LOST = "claim_lost"
    UNRECORDED = "unrecorded"
    UNPROTECTED = "unprotected"
    IN_PROGRESS = "in_progress"
    HANDLER_FAILED = "handler_failed"
    KEY_MISSING = "key_missing"
    STORE_FAILED = "store_failed"
    NO_TIME = "no_time"
    GROUP_BLOCKED = "group_blocked"


DELETED = frozenset(
    {
        Fate.COMPLETED,
        Fate.ALREADY_DONE,
        Fate.SAME_BATCH,
        # The handler returned: the effect is made, and running it again is what we are here to
        # prevent, whatever became of the record.
        Fate.CLAIM_LOST,
        Fate.UNRECORDED,
        Fate.UNPROTECTED,
    }
)


def process_batch(
    claims: Claims,
    event: Any,
    process_event: Callable[[Envelope], object],
    context: LambdaContext | None,
) -> BatchResponse:
    """Run `process_event` once per key over an SQS batch; return the messages that failed."""
    _check_handler(process_event)
    messages = read_batch(event)
    batch = _Batch(claims, process_event, context)
    fates = [batch.settle(message) for message in messages]
    counts = Counter(fate.value for fate in fates)
    logger.info("batch of %d: %s", len(messages), dict(counts))
    return _response(messages, fates)


class _Batch:
    """One invocation's messages, settled one after another."""

    def __init__(
        self,
        claims: Claims,
        process_event: Callable[[Envelope], object],
        context: LambdaContext | None,
    ) -> None:
        self._claims = claims
        self._process_event = process_event
        self._context = context
        self._invocation = Invocation(context)
        self._done_keys: set[str] = set()
        self._blocked_groups: set[str] = set()

    def settle(self, message: Message) -> Fate:
        """Bring one message to its end. Only BaseExceptions of the handler get out."""
        fate = self._fate(message)
        if message.group is not None and fate not in DELETED:
            self._blocked_groups.add(message.group)
        return fate

    def _fate(self, message: Message) -> Fate:
        if message.group in self._blocked_groups:
            return Fate.GROUP_BLOCKED
        if self._out_of_time():
            return Fate.NO_TIME
        try:
            envelope = parse_envelope(message.body)
            if self._claims.config.disabled:
                return self._run_unprotected(message, envelope)
            key = find_key(envelope, self._claims.config.key)
        except KeyMissingError as error:
            logger.error("message %s has no key: %s", message.id, error)
            return Fate.KEY_MISSING
        if key in self._done_keys:
            return Fate.SAME_BATCH
        fate = self._claim_and_run(message, key, envelope)
        if fate in DELETED:
            self._done_keys.add(key)
        return fate

    def _out_of_time(self) -> bool:
        remaining_ms = self._invocation.remaining_ms()
        return (
            remaining_ms is not None
            and remaining_ms < self._claims.config.min_remaining_seconds * 1000
        )

    def _run_unprotected(self, message: Message, envelope: Envelope) -> Fate:
        try:
            self._run(envelope)
        except Exception:
            logger.exception("message %s: process_event raised", message.id)
            return Fate.HANDLER_FAILED
        return Fate.UNPROTECTED

    def _claim_and_run(self, message: Message, key: str, envelope: Envelope) -> Fate:
        origin = message.origin(envelope, self._invocation)
        try:
            outcome = self._claims.claim(key, context=self._context, origin=origin)
        except InProgressError as error:
            logger.info("message %s comes back later: %s", message.id, error)
            return Fate.IN_PROGRESS
        except StoreError as error:
            logger.error("message %s was not claimed: %s", message.id, error)
            return Fate.STORE_FAILED
        if not outcome:
            logger.info("message %s is a duplicate of %r, done already", message.id, key)
            return Fate.ALREADY_DONE
        try:
            self._run(envelope)
        except Exception:
            logger.exception("message %s, key %r: process_event raised", message.id, key)
            _release(outcome)
            return Fate.HANDLER_FAILED
        except BaseException:
            _release(outcome)
            raise
        return _complete(message, outcome)

    def _run(self, envelope: Envelope) -> None:
        result = self._process_event(envelope)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(_NOT_ASYNC)


_NOT_ASYNC = (
    "process_event is async, so calling it does no work; retrying does not help: pass a plain"
    " function, such as lambda event: asyncio.run(process_event(event))"
)


def _check_handler(process_event: object) -> None:
    if not callable(process_event):
        message = (
            f"process_event must be a function of the event, not a {type(process_event).__name__}"
        )
        raise TypeError(message)
    if inspect.iscoroutinefunction(process_event):
        raise TypeError(_NOT_ASYNC)


def _release(claim: Claimed) -> None:
    try:
        claim.release()
    except IdemError as error:
        logger.warning("key %r was not released, so its lease must end first: %s", claim.key, error)


def _complete(message: Message, claim: Claimed) -> Fate:
    try:
        claim.complete()
    except ClaimLostError as error:
        logger.error("message %s ran, perhaps a second time: %s", message.id, error)
        return Fate.CLAIM_LOST
    except StoreError as error:
        logger.error("message %s ran, but that is not recorded yet: %s", message.id, error)
        return Fate.UNRECORDED
    return Fate.COMPLETED


def _response(messages: Sequence[Message], fates: Sequence[Fate]) -> BatchResponse:
    """Name each failed message once.

    Lambda takes an id that is empty or not of the batch as "all failed" and a wrong shape as "all
    succeeded" ("Handling errors for an SQS event source in Lambda"), hence the check.
    """
    done = {message.id for message, fate in zip(messages, fates, strict=True) if fate in DELETED}
    failed = list(dict.fromkeys(message.id for message in messages if message.id not in done))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
