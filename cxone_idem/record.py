"""The one record of a key, as a table stores it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum

# DynamoDB's limit for a partition key value, in bytes of UTF-8
# (Developer Guide, "Quotas and limits").
_PARTITION_KEY_MAX_BYTES = 2048
_HASH_PREFIX = "sha256:"

NO_VERSION = ""
"""The version of an item that carries none: a marker from before this library was adopted."""


class State(str, Enum):
    """The state of the work on a key."""

    IN_PROGRESS = "IN_PROGRESS"  # a worker has the key until its lease ends
    DONE = "DONE"  # the work is not repeated
    RELEASED = "RELEASED"  # the next claim gets the key


@dataclass(frozen=True, slots=True)
class Origin:
    """The delivery that a claim was made for; a field is None where it is not known."""

    event_id: str | None = None
    """EventBridge `id`: the same on EventBridge's own retries, a new one for each PutEvents."""
    message_id: str | None = None
    """SQS message id: the same on redelivery, a new one after a dead-letter redrive."""
    receive_count: int | None = None
    """SQS `ApproximateReceiveCount`, 1 on the first delivery."""
    sent_at_ms: int | None = None
    """SQS `SentTimestamp`, epoch milliseconds of SQS's clock."""
    replay_name: str | None = None
    """EventBridge `replay-name`, present when an archive replay sent the event."""
    request_id: str | None = None
    """AWS request id of the Lambda invocation that claimed."""


@dataclass(frozen=True, slots=True)
class Record:
    """One key's record. Every write replaces the whole of it and carries a fresh `version`."""

    partition_key: str
    """The key with its namespace; see `partition_key()`."""
    state: State
    """The state of the work."""
    version: str
    """A text that no other write has."""
    generation: int
    """1 for the first claim, +1 on every takeover: the fencing token, and the attempts so far."""
    lease_until_ms: int
    """Epoch milliseconds of the store's clock until which the owner may be alive."""
    expires_at: int | None
    """Epoch seconds after which the record counts as absent (DynamoDB TTL); None is never."""
    claimed_at_ms: int | None = None
    """Epoch milliseconds of the store's clock, as of the claim."""
    done_at_ms: int | None = None
    """Epoch milliseconds of the store's clock, as of the completion."""
    origin: Origin = field(default_factory=Origin)
    """The delivery that the claim was made for."""
    fingerprint: str | None = None
    """A hash of the content that all events of the key share; None agrees with anything."""
    result: str | None = None
    """The result of the work, as JSON text; None if none is stored."""


def partition_key(namespace: str, key: str) -> str:
    """Return the partition key of `key`: `<namespace>#<key>`, or `key` with no namespace.

    A key that DynamoDB could not hold (over 2,048 bytes, or not encodable as UTF-8) is replaced by
    its SHA-256; so is one that looks like such a hash, which keeps the two kinds apart.
    """
    prefix = f"{namespace}#" if namespace else ""
    try:
        fits = len(f"{prefix}{key}".encode()) <= _PARTITION_KEY_MAX_BYTES
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        fits = False
    if fits and not key.startswith(_HASH_PREFIX):
        return f"{prefix}{key}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{prefix}{_HASH_PREFIX}{digest}"
