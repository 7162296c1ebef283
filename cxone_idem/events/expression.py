"""JMESPath expressions: what is wrong with one before any event came, and what one finds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature

from cxone_idem.events.canonical import canonical, exact_number
from cxone_idem.text import counted

# What the jmespath package lets through besides its own errors, in parsing (an index of 5,000
# digits, 5,000 brackets) and in searching (`contains('text', `1`)`, `ceil` of an infinity).
EVALUATION_ERRORS = (
    ArithmeticError,
    AttributeError,
    JMESPathError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

RECORD = "sqs"
"""The name by which an expression asks for the SQS record around the event."""

_PROJECTIONS = frozenset({"filter_projection", "flatten", "projection", "value_projection"})
_PROJECTS = (
    "has a projection ([], [*], *, [?...] or a slice), which leaves out what is missing, so that"
    " two different lists can give one key; name each part, as in [items[0].id, items[1].id], or"
    " write map(&id, items), which leaves nothing out"
)
_READS = frozenset({"current", "field", "identity"})
_CONSTANT = (
    "finds the same in every event, so that one would be dropped for another: what is in single"
    " quotes or backticks is a constant; write names without them"
)
_TYPE_OF = Functions.FUNCTION_TABLE["type"]["function"]


class _Functions(Functions):
    """JMESPath's functions, with numbers as exact as the event has them, and `from_json`."""

    @signature({"types": ["string", "null"]})
    def _func_from_json(self, text: str | None) -> Any:
        """Read an event that arrives as text inside another."""
        return None if text is None else json.loads(text, parse_float=exact_number)

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        return value if isinstance(value, str) else canonical(value)

    @signature({"types": []})
    def _func_to_number(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = json.loads(value, parse_float=exact_number)
            except (ValueError, RecursionError):
                return None
        if self._func_type(value) != "number" or value in {math.inf, -math.inf}:
            return None
        return value if value == value else None  # noqa: PLR0124 -- no NaN

    @signature({"types": []})
    def _func_type(self, value: Any) -> Any:
        # The one type that `exact_number` adds.
        return "number" if isinstance(value, Decimal) else _TYPE_OF(self, value)


_OPTIONS = jmespath.Options(custom_functions=_Functions())
_compiled = lru_cache(maxsize=16)(jmespath.compile)


def search(expression: str, event: Any) -> Any:
    """Return what an expression finds in an event; raises one of `EVALUATION_ERRORS`."""
    return _compiled(expression).search(event, options=_OPTIONS)


def with_record(event: Any, record: Any, expression: str) -> Any:
    """Return the event as an expression sees it: with its SQS record as `sqs` if it asks for that.

    An event that has a member of that name keeps it.
    """
    if RECORD not in expression or RECORD in event or not _names_record(expression):
        return event
    return {**event, RECORD: record}


@lru_cache(maxsize=16)
def _names_record(expression: str) -> bool:
    nodes = _nodes(_compiled(expression).parsed)
    return any(node["type"] == "field" and node["value"] == RECORD for node in nodes)


@lru_cache(maxsize=16)
def are_same(expression: str, other: str) -> bool:
    """Return whether two expressions are one, but for spaces."""
    return bool(_compiled(expression).parsed == _compiled(other).parsed)


def expression_mistake(expression: str, *, is_key: bool = False) -> str:
    """Return what is wrong with an expression, as far as it shows that itself; or nothing."""
    try:
        nodes = list(_nodes(_compiled(expression).parsed))
    except EVALUATION_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return f"is not a JMESPath expression: {reason}"
    if is_key and any(node["type"] in _PROJECTIONS for node in nodes):
        return _PROJECTS
    calls = [node for node in nodes if node["type"] == "function_expression"]
    mistakes = [_mistake_of(call["value"], call["children"]) for call in calls]
    if any(mistakes):
        return next(filter(None, mistakes))
    arguments = {id(argument) for call in calls for argument in call["children"]}
    if any(node["type"] == "expref" and id(node) not in arguments for node in nodes):
        return "has a '&' that is no argument of a function"
    return "" if any(node["type"] in _READS for node in nodes) else _CONSTANT


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield each node of a parsed expression, without recursion: it may be deep."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in node["children"] if isinstance(child, dict)]


def _mistake_of(name: str, arguments: list[dict[str, Any]]) -> str:
    """Return what is wrong with a call of a function, whatever the event; or nothing."""
    if name not in _Functions.FUNCTION_TABLE:
        return f"calls {name}(), which is no JMESPath function"
    wanted = _Functions.FUNCTION_TABLE[name]["signature"]
    more = wanted[-1].get("variadic", False)
    if len(arguments) < len(wanted) or (len(arguments) > len(wanted) and not more):
        expected = f"{'at least ' if more else ''}{len(wanted)}"
        given = counted(len(arguments), "argument")
        return f"calls {name}() with {given}, expected {expected}"
    # The last one of a function with any number of arguments is the pattern of all further ones.
    wanted = [*wanted, *(wanted[-1] for _ in arguments[len(wanted) :])]
    for number, (argument, pattern) in enumerate(zip(arguments, wanted, strict=True), start=1):
        types = {each.partition("-")[0] for each in pattern["types"]}
        given = _known_type(argument)
        takes_any = "expref" not in {given, *types} and (given is None or not types)
        if not takes_any and given not in types:
            expected = "&expression" if "expref" in types else " or ".join(sorted(types)) or "value"
            return f"calls {name}() with a wrong argument {number}, expected {expected}"
    return ""


def _known_type(argument: dict[str, Any]) -> Any:
    """Return the JMESPath type of an argument; None if that depends on the event."""
    if argument["type"] == "literal":
        return search("type(@)", argument["value"])
    return "expref" if argument["type"] == "expref" else None
