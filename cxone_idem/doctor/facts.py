"""What there is to know of a pipeline's parts, as plain values; units stand in the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read, why, and what would make it readable."""

    why: str
    fix: str = ""
    absent: bool = False
    """True if there is no such thing, rather than no way to see it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A DynamoDB table."""

    name: str
    keys: tuple[tuple[str, str, str], ...]
    """Name, `HASH` or `RANGE`, and type of each key attribute."""
    write_units: int | None
    """Provisioned write capacity units a second; None on-demand."""
    consistency: str | Unread | None
    """`EVENTUAL` or `STRONG` between Regions; None in one Region."""
    ttl_attribute: str | Unread | None
    """The attribute TTL is on for; None if it is off."""
    ttl_values: tuple[Mapping[str, Any], ...] | Unread
    """What some items hold there, typed as DynamoDB does: `{"N": "…"}`."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Where a queue sends what it could not have processed."""

    arn: str
    max_receive_count: int
    retention_seconds: int | Unread


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue."""

    arn: str
    visibility_timeout_seconds: int
    retention_seconds: int
    dead_letters: DeadLetters | None


@dataclass(frozen=True, slots=True)
class EventSource:
    """An event source mapping from a queue to a function."""

    queue_arn: str
    function_arn: str
    state: str
    reports_failures: bool
    batch_window_seconds: int


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function."""

    name: str
    arn: str
    timeout_seconds: int
    environment: Mapping[str, str] | Unread
    role_arn: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rule sends what matches."""

    arn: str
    dead_letter_arn: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """An EventBridge rule."""

    name: str
    bus: str
    enabled: bool
    pattern: Mapping[str, Any] | None
    targets: tuple[Target, ...] | Unread


@dataclass(frozen=True, slots=True)
class Role:
    """What a role's policies say; each statement as in IAM's JSON."""

    name: str
    statements: tuple[Mapping[str, Any], ...]
    boundary: tuple[Mapping[str, Any], ...] | None
    """The statements of its permissions boundary, which has to allow an action too."""


def last_name(arn: str) -> str:
    """Return the name at the end of an ARN, or of a URL."""
    return arn.rpartition(":")[2].rpartition("/")[2]
