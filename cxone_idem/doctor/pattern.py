"""The pattern of a rule: which events it lets through, and which ones another rule does too."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from itertools import product
from typing import Any

Pattern = dict[str, Any]

# Such a matcher lets every event through that has the member.
_ANY = ({"exists": True}, {"prefix": ""}, {"suffix": ""}, {"wildcard": "*"}, {"wildcard": "**"})
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def branches(pattern: Pattern) -> Iterator[Pattern]:
    """Yield a pattern once for each of its `$or`, without that."""
    alternatives = pattern.get("$or")
    if not alternatives:
        yield pattern
        return
    rest = {name: value for name, value in pattern.items() if name != "$or"}
    for each in alternatives:
        yield from branches(_both(rest, each))


def _both(one: Pattern, other: Pattern) -> Pattern:
    """Return a pattern that asks for all that two do, in members that both have too."""
    nested = {
        name: _both(one[name], other[name])
        for name in one.keys() & other.keys()
        if isinstance(one[name], dict) and isinstance(other[name], dict)
    }
    return {**one, **other, **nested}


def names_types(pattern: Pattern) -> bool:
    """Return whether a pattern picks events by their type, or by what is in them."""
    return all(
        branch.get("detail")
        or all(matcher not in _ANY for matcher in branch.get("detail-type") or _ANY)
        for branch in branches(pattern)
    )


def overlap(one: Pattern, other: Pattern) -> bool:
    """Return whether an event may match both patterns, as far as they show."""
    # `resources` is the one member of an event that is always a list: any of it may match.
    return _meet(one, other, {"resources"})


def _meet(one: Pattern, other: Pattern, lists: AbstractSet[str] = frozenset()) -> bool:
    return any(
        all(_overlap(x[name], y[name]) for name in (x.keys() & y.keys()) - lists)
        for x, y in product(branches(one), branches(other))
    )


def _overlap(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return _meet(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return any(_agree(x, y) for x, y in product(one, other))
    return False  # a member is either an object or a value


def _agree(one: Any, other: Any) -> bool:
    """Return whether some value passes two matchers."""
    if not isinstance(one, dict):
        one, other = other, one
    if not isinstance(one, dict):
        return json.dumps(one) == json.dumps(other)  # 1 is not true
    if not isinstance(other, dict):
        return _passes(other, one)
    if {"exists": False} in (one, other):
        return one == other
    for end in ("prefix", "suffix"):
        x, y = one.get(end), other.get(end)
        if isinstance(x, str) and isinstance(y, str):
            return _passes_text(x, end, y) or _passes_text(y, end, x)
    return True  # two ranges, two wildcards: what passes both is not looked for


def _passes(value: Any, matcher: Pattern) -> bool:
    """Return whether a value passes a matcher; one that is not known here may let it through."""
    ((name, wanted),) = matcher.items()
    if name == "anything-but":
        refused = wanted if isinstance(wanted, list) else [wanted]
        return not any(_agree(value, each) for each in refused)
    if name == "exists":
        return bool(wanted)
    if name == "numeric":
        bounds = zip(wanted[::2], wanted[1::2], strict=True)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and all(_OPERATORS[sign](value, bound) for sign, bound in bounds)
    if isinstance(wanted, list):
        return any(_passes(value, {name: each}) for each in wanted)
    return _passes_text(value, name, wanted)


def _passes_text(value: object, name: str, wanted: object) -> bool:
    if not isinstance(value, str):
        return False
    text, like = value, str(wanted)
    if isinstance(wanted, dict):  # in whatever case its letters are
        text, like = text.lower(), str(*wanted.values()).lower()
    if name == "equals-ignore-case":
        return text.lower() == like.lower()
    if name == "wildcard":
        parts = re.split(r"(?<!\\)\*", like)
        texts = (re.escape(part.replace("\\*", "*")) for part in parts)
        return bool(re.fullmatch(".*".join(texts), text, re.DOTALL))
    if name in {"prefix", "suffix"}:
        return text.startswith(like) if name == "prefix" else text.endswith(like)
    return True
