"""What an examination says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxone_idem.doctor.facts import Unread


class Status(str, Enum):
    """How a check ended."""

    OK = "ok"
    WRONG = "wrong"
    """Events can be lost or done twice, or the pipeline does not run: mend it."""
    ADVICE = "advice"
    """It works, and could be safer, faster or narrower."""
    UNKNOWN = "unknown"
    """The check could not be made; `what` says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one subject: what is so, why it matters, and what mends it."""

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
        """Say that it is as it should be."""
        return Finding(self.name, self.subject, Status.OK, what)

    def wrong(self, what: str, why: str, fix: str) -> Finding:
        """Say what has to be mended."""
        return Finding(self.name, self.subject, Status.WRONG, what, why, fix)

    def advice(self, what: str, why: str, fix: str) -> Finding:
        """Say what could be better."""
        return Finding(self.name, self.subject, Status.ADVICE, what, why, fix)

    def unknown(self, unread: Unread) -> Finding:
        """Say that nothing can be said, and why."""
        why = "the check could not be made"
        return Finding(self.name, self.subject, Status.UNKNOWN, unread.why, why, unread.fix)
