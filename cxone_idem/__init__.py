"""Effectively-once processing of NICE CXone events: claim a key, do the work, complete the key.

The functions here work on one `Deduplicator`, made from the environment when first used.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from cxone_idem.already_done import AlreadyDone
from cxone_idem.cause import Cause
from cxone_idem.claimed import NO_RESULT, Claimed
from cxone_idem.config import Config
from cxone_idem.current import current_claim
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.errors import (
    AttemptsExhaustedError,
    ClaimLostError,
    ConfigError,
    IdemError,
    InProgressError,
    KeyMissingError,
    OtherContentError,
    ResultMissingError,
    StoreError,
)
from cxone_idem.fate import Fate
from cxone_idem.memory import MemoryStore
from cxone_idem.outcome import Outcome
from cxone_idem.record import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.decorator import once
    from cxone_idem.dynamodb import DynamoDBStore
    from cxone_idem.invocation import LambdaContext
    from cxone_idem.sqs_batch import BatchResponse, Envelope

__all__ = [
    "AlreadyDone",
    "AttemptsExhaustedError",
    "Cause",
    "ClaimLostError",
    "Claimed",
    "Config",
    "ConfigError",
    "Deduplicator",
    "DynamoDBStore",
    "Fate",
    "IdemError",
    "InProgressError",
    "KeyMissingError",
    "MemoryStore",
    "Origin",
    "OtherContentError",
    "Outcome",
    "ResultMissingError",
    "StoreError",
    "claim",
    "complete",
    "current_claim",
    "extend",
    "forget",
    "once",
    "process_batch",
    "release",
]

_default: Deduplicator | None = None
_default_lock = Lock()


def claim(
    key: str,
    *,
    context: LambdaContext | None = None,
    origin: Origin | None = None,
    fingerprint: Any = None,
) -> Claimed | AlreadyDone:
    """Claim the work on `key`; see `Deduplicator.claim`."""
    return _deduplicator().claim(key, context=context, origin=origin, fingerprint=fingerprint)


def complete(key_or_claim: str | Claimed, *, result: object = NO_RESULT) -> None:
    """Record that the work is done, with its result if one is given; see `Claimed.complete`."""
    _deduplicator().complete(key_or_claim, result=result)


def release(key_or_claim: str | Claimed) -> None:
    """Give the key up undone; see `Deduplicator.release`."""
    _deduplicator().release(key_or_claim)


def extend(key_or_claim: str | Claimed) -> None:
    """Make the lease last its full length from now; see `Deduplicator.extend`."""
    _deduplicator().extend(key_or_claim)


def forget(key: str) -> None:
    """Make a key that is done free to claim, to run its event again; see `Deduplicator.forget`."""
    _deduplicator().forget(key)


def process_batch(
    event: Any,
    process_event: Callable[[Envelope], object],
    *,
    context: LambdaContext | None = None,
    max_workers: int | None = None,
) -> BatchResponse:
    """Run `process_event` once per key over an SQS batch; see `Deduplicator.process_batch`."""
    return _deduplicator().process_batch(
        event, process_event, context=context, max_workers=max_workers
    )


def _deduplicator() -> Deduplicator:
    global _default  # noqa: PLW0603 -- the one place where the process's deduplicator is kept
    with _default_lock:
        if _default is None:
            _default = Deduplicator.from_environ()
        return _default


def __getattr__(name: str) -> Any:
    # The AWS SDK takes 0.2 s to import; `import cxone_idem` alone must not cost that.
    if name == "DynamoDBStore":
        from cxone_idem.dynamodb import DynamoDBStore  # noqa: PLC0415

        return DynamoDBStore
    if name == "once":  # not in a module of that name, which would then stand in its place
        from cxone_idem.decorator import once  # noqa: PLC0415

        return once
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
