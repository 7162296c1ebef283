"""Facts about a pipeline's parts, and findings about them; units are in the names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
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
    """Dead-letter queue of a queue."""

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
    """Target of a rule."""

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


class Status(str, Enum):
    """Result of a check."""

    OK = "ok"
    WRONG = "wrong"
    """Events can be lost or done twice, or the pipeline does not run: fix it."""
    ADVICE = "advice"
    """It works, and could be safer, faster or narrower."""
    UNKNOWN = "unknown"
    """The check could not be made; `what` gives the reason."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one subject: what was found, why it matters, and the fix."""

    check: str
    subject: str
    status: Status
    what: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a subject, about to be made."""

    name: str
    subject: str

    def ok(self, what: str) -> Finding:
        """Report that it is as it should be."""
        return Finding(self.name, self.subject, Status.OK, what)

    def wrong(self, what: str, why: str, fix: str) -> Finding:
        """Report what has to be fixed."""
        return Finding(self.name, self.subject, Status.WRONG, what, why, fix)

    def advice(self, what: str, why: str, fix: str) -> Finding:
        """Report what could be better."""
        return Finding(self.name, self.subject, Status.ADVICE, what, why, fix)

    def unknown(self, unread: Unread) -> Finding:
        """Report that the check could not be made, and the reason."""
        why = "the check could not be made"
        return Finding(self.name, self.subject, Status.UNKNOWN, unread.why, why, unread.fix)


def last_name(arn: str) -> str:
    """Return the name at the end of an ARN, or of a URL."""
    return arn.rpartition(":")[2].rpartition("/")[2]
