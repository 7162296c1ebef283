"""The two gates of an event: a rule's pattern, and the policy of the queue behind it."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

_EVENTS = "events.amazonaws.com"


def overlap(one: Any, other: Any) -> bool:
    """Return whether an event may match both patterns; what is no plain value may match any."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(overlap(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        pairs = [(each, value) for each in one for value in other]
        return any(dict in {type(x), type(y)} or x == y for x, y in pairs)
    return True


def lets_in(policy: str | None, queue_arn: str, rule_arn: str) -> bool:
    """Return whether a queue's policy has a statement that lets EventBridge send for a rule."""
    found = json.loads(policy or "{}").get("Statement")
    return any(_allows(each, queue_arn, rule_arn) for each in _many(found))


def _allows(statement: dict[str, Any], queue_arn: str, rule_arn: str) -> bool:
    principal = statement.get("Principal")
    given = principal.values() if isinstance(principal, dict) else [principal]
    sources = [
        values
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
        if key.lower() == "aws:sourcearn" and "Not" not in operator
    ]
    return (
        statement.get("Effect") == "Allow"
        and any(name in {_EVENTS, "*"} for each in given for name in _many(each))
        and _matches(
            "sqs:sendmessage", [str(each).lower() for each in _many(statement.get("Action"))]
        )
        and _matches(queue_arn, statement.get("Resource"))
        and all(_matches(rule_arn, values) for values in sources)
    )


def _matches(value: str, patterns: Any) -> bool:
    return any(fnmatchcase(value, each) for each in _many(patterns))


def _many(value: Any) -> list[Any]:
    """Return what policies spell as one or as a list of them as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
