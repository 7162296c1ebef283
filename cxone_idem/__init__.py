"""Effectively-once processing of NICE CXone events: claim a key, do the work, complete the key.

The functions here work on one `Deduplicator`, made from the environment when first used.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cxone_idem.cause import Cause
from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.claims.claim import Claimed, current_claim
from cxone_idem.claims.invocation import LambdaContext
from cxone_idem.claims.result import NO_RESULT
from cxone_idem.config import Config
from cxone_idem.deduplicator import Deduplicator, default_deduplicator
from cxone_idem.errors import (
    AttemptsExhaustedError,
    ClaimLostError,
    ConfigError,
    FingerprintMismatchError,
    IdemError,
    InProgressError,
    KeyMissingError,
    ResultMissingError,
    StoreError,
)
from cxone_idem.record import Origin
from cxone_idem.sqs.batch import BatchResponse, Event, ProcessEvent
from cxone_idem.sqs.decoding import Decode
from cxone_idem.sqs.message import Message, current_message
from cxone_idem.sqs.outcome import MessageStatus, Outcome
from cxone_idem.stores.memory import MemoryStore

if TYPE_CHECKING:
    from cxone_idem.decorator import once
    from cxone_idem.stores.dynamodb import DynamoDBStore

    __version__: str

__all__ = [
    "AlreadyDone",
    "AttemptsExhaustedError",
    "BatchResponse",
    "Cause",
    "ClaimLostError",
    "Claimed",
    "Config",
    "ConfigError",
    "Deduplicator",
    "DynamoDBStore",
    "FingerprintMismatchError",
    "IdemError",
    "InProgressError",
    "KeyMissingError",
    "LambdaContext",
    "MemoryStore",
    "Message",
    "MessageStatus",
    "Origin",
    "Outcome",
    "ResultMissingError",
    "StoreError",
    "claim",
    "complete",
    "current_claim",
    "current_message",
    "extend",
    "forget",
    "once",
    "process_batch",
    "release",
]


def claim(
    key: str,
    *,
    context: LambdaContext | None = None,
    origin: Origin | None = None,
    fingerprint: Any = None,
) -> Claimed | AlreadyDone:
    """Claim the work on `key`; see `Deduplicator.claim`."""
    return default_deduplicator().claim(
        key, context=context, origin=origin, fingerprint=fingerprint
    )


def complete(key_or_claim: str | Claimed, *, result: object = NO_RESULT) -> None:
    """Record that the work is done, with its result if one is given; see `Claimed.complete`."""
    default_deduplicator().complete(key_or_claim, result=result)


def release(key_or_claim: str | Claimed) -> None:
    """Free the key undone; see `Deduplicator.release`."""
    default_deduplicator().release(key_or_claim)


def extend(key_or_claim: str | Claimed) -> None:
    """Make the lease last its full length from now; see `Deduplicator.extend`."""
    default_deduplicator().extend(key_or_claim)


def forget(key: str) -> None:
    """Make a key that is done free to claim, to run its event again; see `Deduplicator.forget`."""
    default_deduplicator().forget(key)


def process_batch(
    event: Any,
    process_event: ProcessEvent[Event],
    *,
    context: LambdaContext | None = None,
    max_workers: int | None = None,
    decode: Decode | None = None,
) -> BatchResponse:
    """Run `process_event` once per key over an SQS batch; see `Deduplicator.process_batch`."""
    return default_deduplicator().process_batch(
        event, process_event, context=context, max_workers=max_workers, decode=decode
    )


def __getattr__(name: str) -> Any:
    # The AWS SDK takes 0.2 s to import; `import cxone_idem` alone must not cost that.
    if name == "DynamoDBStore":
        from cxone_idem.stores.dynamodb import DynamoDBStore  # noqa: PLC0415

        return DynamoDBStore
    if name == "once":  # not in a module of that name, which would then stand in its place
        from cxone_idem.decorator import once  # noqa: PLC0415

        return once
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        # A copy that nobody installed, as in a Lambda layer, has no version.
        with suppress(PackageNotFoundError):
            return version("cxone-idem")
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
