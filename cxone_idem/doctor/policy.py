"""What IAM policy statements allow ("Policy evaluation logic", IAM User Guide)."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Grant(Enum):
    """Whether an action is allowed on a resource."""

    ALLOWED = "allowed"
    CONDITIONAL = "allowed or not by a condition, which is not evaluated here"
    NOT_ALLOWED = "not allowed"


def judge(statements: Iterable[Mapping[str, Any]], action: str, resource: str) -> Grant:
    """Say whether statements allow an action: a denial wins, and silence is one."""
    relevant = [each for each in statements if _applies(each, action, resource)]
    denials = [each for each in relevant if each["Effect"] == "Deny"]
    allowances = [each for each in relevant if each["Effect"] == "Allow"]
    if not allowances or any(not each.get("Condition") for each in denials):
        return Grant.NOT_ALLOWED
    if denials or all(each.get("Condition") for each in allowances):
        return Grant.CONDITIONAL
    return Grant.ALLOWED


def _applies(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    return _names(statement, "Action", action.lower(), str.lower) and _names(
        statement, "Resource", resource, str
    )


def _names(statement: Mapping[str, Any], element: str, value: str, fold: Any) -> bool:
    """Tell whether an element, or the lack of a name in its `Not` form, covers a value."""
    if element in statement:
        return any(_pattern(fold(each)).fullmatch(value) for each in _many(statement[element]))
    excluded = statement.get(f"Not{element}")
    return excluded is not None and not any(
        _pattern(fold(each)).fullmatch(value) for each in _many(excluded)
    )


def _many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    """Return IAM's wildcards, `*` and `?`, as a regular expression."""
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
