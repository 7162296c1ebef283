"""Facts about a part of a pipeline, checks as rows of a table, and what the checks find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import groupby
from typing import Any


class Status(str, Enum):
    """Result of a check."""

    OK = "ok"
    WRONG = "wrong"  # events can be lost or done twice, or the pipeline does not run: fix it
    ADVICE = "advice"  # it works, and could be safer, faster or narrower
    UNKNOWN = "unknown"  # the check could not be made; `what` gives the reason


@dataclass(frozen=True)
class Finding:
    """One check of one subject: what was found, why it matters, and the fix."""

    check: str
    subject: str
    status: Status
    what: str
    why: str = ""
    fix: str = ""


class UnreadError(Exception):
    """A fact that could not be read: why, the fix, and whether it is because there is none."""

    def __init__(self, reason: str, fix: str = "", *, absent: bool = False) -> None:
        super().__init__(reason)
        self.fix = fix
        self.absent = absent

    def finding(self, check: str, subject: str) -> Finding:
        """Report that a check could not be made."""
        why = "the check could not be made"
        return Finding(check, subject, Status.UNKNOWN, str(self), why, self.fix)


class Facts(dict[str, Any]):
    """Facts by name, and the rows of `checks` of their `subject`.

    What AWS left out is None. What could not be read is raised, and `get` returns the reason.
    """

    def __missing__(self, name: str) -> None:
        return None

    def __getitem__(self, name: str) -> Any:
        fact = super().__getitem__(name)
        if isinstance(fact, UnreadError):
            raise fact
        return fact

    def __getattr__(self, name: str) -> Any:
        return self[name]


def fact(read: Callable[[], Any]) -> Any:
    """Return what is read, or why it cannot be: only the checks of this fact are then unknown."""
    try:
        return read()
    except UnreadError as unread:
        return unread


@dataclass(frozen=True)
class Check:
    """A row: when it fails, and the texts of its finding; `what` says what was looked at, anyway.

    In name and texts `{name}` is a fact.
    """

    status: Status
    name: str
    fails: Callable[[Facts], object]
    what: str
    why: str
    fix: str


wrong = partial(Check, Status.WRONG)
advice = partial(Check, Status.ADVICE)


def examine(facts: Facts) -> Iterator[Finding]:
    """Make checks. Rows of one name are one check: the first that fails is found, else the last."""
    for name, group in groupby(facts.checks, key=lambda check: check.name.format_map(facts)):
        rows = list(group)
        try:
            failed = next((row for row in rows if row.fails(facts)), None)
            row = failed or replace(rows[-1], status=Status.OK, why="", fix="")
            texts = (text.format_map(facts) for text in (row.what, row.why, row.fix))
            yield Finding(name, facts.subject, row.status, *texts)
        except UnreadError as unread:
            yield unread.finding(name, facts.subject)


def last_name(arn: str) -> str:
    """Return the name at the end of an ARN, or of a URL."""
    return arn.rpartition(":")[2].rpartition("/")[2]
