"""The policy of a queue or a key: whether it lets EventBridge in, for one rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

_EVENTS = "events.amazonaws.com"


class Entry(NamedTuple):
    """An action of EventBridge on a resource, for a rule."""

    action: str
    resource: str
    rule_arn: str


def lets_in(policy: str | None, entry: Entry) -> bool | None:
    """Return whether a policy allows an entry; None if that depends on what is not known here."""
    statements = _many(json.loads(policy or "{}").get("Statement"))
    allowed, denied = (
        _any([_holds(each, entry) for each in statements if each.get("Effect") == effect])
        for effect in ("Allow", "Deny")
    )
    return all_hold(allowed, None if denied is None else not denied)


def is_like(value: str, pattern: str) -> bool:
    """Return whether a text is like a pattern of IAM's: `*` and `?` stand for others."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _is_arn_like(arn: str, pattern: str) -> bool:
    """Return whether an ARN is like a pattern, each of its six parts by itself, as IAM does it."""
    wanted = pattern.split(":", 5)
    parts = arn.split(":", len(wanted) - 1)
    is_whole = len(parts) == len(arn.split(":", 5)) or wanted[-1].endswith("*")
    return is_whole and all(map(is_like, parts, wanted))


def _holds(statement: dict[str, Any], entry: Entry) -> bool | None:
    """Return whether a statement is about an entry; None if that is not known here."""
    known = {
        "aws:principalisawsservice": "true",
        "aws:principalservicename": _EVENTS,
        "aws:sourcearn": entry.rule_arn,
        "aws:sourceaccount": entry.rule_arn.partition(":rule/")[0].rpartition(":")[2],
        "aws:securetransport": "true",
    }
    return all_hold(
        _named(statement, "Principal", lambda one: one in {_EVENTS, "*"}),
        _named(statement, "Action", lambda one: is_like(entry.action.lower(), one.lower())),
        _named(statement, "Resource", lambda one: is_like(entry.resource, one)),
        *(
            _met(operator, known.get(key.lower()), _many(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        ),
    )


def _named(statement: dict[str, Any], part: str, fits: Callable[[str], bool]) -> bool:
    """Return whether a part of a statement names it, or does not name it as what it excepts."""
    named, excepted = (_texts(statement.get(each)) for each in (part, f"Not{part}"))
    if excepted:
        return not any(fits(one) for one in excepted)
    return any(fits(one) for one in named)


def _met(operator: str, value: str | None, wanted: list[Any]) -> bool | None:
    """Return whether a condition is met; None if its key or its operator is not known here."""
    operator = operator.removesuffix("IfExists").rpartition(":")[2]
    plain = operator.replace("Not", "")
    # A value of IAM's own, such as ${aws:ResourceAccount}, is not known here.
    if value is None or plain not in _FITS or "${" in str(wanted):
        return None
    met = any(_FITS[plain](value, str(one)) for one in wanted)
    return met != ("Not" in operator)


_FITS: dict[str, Callable[[str, str], bool]] = {
    "ArnEquals": _is_arn_like,
    "ArnLike": _is_arn_like,
    "StringLike": is_like,
    "StringEquals": lambda value, one: value == one,
    "StringEqualsIgnoreCase": lambda value, one: value.lower() == one.lower(),
    "Bool": lambda value, one: value == one.lower(),
    "Null": lambda _, one: one.lower() == "false",
}


def all_hold(*facts: bool | None) -> bool | None:
    """Return whether all facts hold; None if that depends on one that is not known."""
    return False if False in facts else None if None in facts else True


def _any(facts: list[bool | None]) -> bool | None:
    return True if True in facts else None if None in facts else False


def _texts(value: Any) -> list[str]:
    """Return the texts of a part, which may be one, a list, or an object of either."""
    parts = value.values() if isinstance(value, dict) else [value]
    return [str(text) for part in parts for text in _many(part)]


def _many(value: Any) -> list[Any]:
    """Return what policies spell as one or as a list of them as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
