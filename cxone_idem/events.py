"""What an EventBridge event says: its key and its fingerprint, by JMESPath, and its origin."""

from __future__ import annotations

import hashlib
import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature

from cxone_idem.errors import KeyMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer than any id AWS makes; the origin is evidence, and must not grow the item past 1 KB.
_ORIGIN_TEXT_MAX = 128


class _Functions(Functions):
    """JMESPath's functions, and `from_json` for an event that arrives as text inside another."""

    @signature({"types": ["string"]})
    def _func_from_json(self, text: str) -> Any:
        return json.loads(text)


_FINGERPRINT_DIGITS = 16

# What the jmespath package lets through besides its own errors, in parsing (an index of 5,000
# digits, 5,000 brackets) and in searching (`contains('text', `1`)`, `ceil` of an infinity).
_EVALUATION_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

_OPTIONS = jmespath.Options(custom_functions=_Functions())
_compiled = lru_cache(maxsize=16)(jmespath.compile)


def expression_mistake(expression: str) -> str:
    """Say what is wrong with a JMESPath expression, or nothing."""
    try:
        _compiled(expression)
    except (JMESPathError, *_EVALUATION_ERRORS) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def parse_envelope(body: Any) -> dict[str, Any]:
    """Return the event in an SQS message's body; raise `KeyMissingError` if there is none."""
    try:
        envelope = json.loads(body)
    except (TypeError, ValueError, RecursionError) as error:
        # A ValueError's text gives the position and never the payload.
        message = f"the body is not JSON ({error}), so the event has no key; retrying does not help"
        raise KeyMissingError(message) from None
    if not isinstance(envelope, dict):
        message = (
            f"the body is a JSON {type(envelope).__name__}, expected the object of an EventBridge"
            " event, so it has no key; retrying does not help"
        )
        raise KeyMissingError(message)
    return envelope


def find_key(envelope: Mapping[str, Any], expression: str) -> str:
    """Return the key that `expression` finds in the event.

    Text counts as it is and numbers become text. A composite (a JMESPath multi-select) needs every
    part, and becomes a JSON list, so that no two combinations read the same. Raises
    `KeyMissingError` if what is found is not usable.
    """
    try:
        found = _compiled(expression).search(envelope, options=_OPTIONS)
    except (JMESPathError, *_EVALUATION_ERRORS) as error:
        reason = f"failed with {type(error).__name__}"
        raise _missing(expression, reason) from None
    if isinstance(found, dict):
        found = [found[name] for name in sorted(found)]
    if not isinstance(found, list):
        return _as_text(found, expression, "what it finds")
    if not found:
        raise _missing(expression, "finds an empty list")
    parts = [
        _as_text(part, expression, f"part {number} of {len(found)}")
        for number, part in enumerate(found, start=1)
    ]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def find_fingerprint(envelope: Mapping[str, Any], expression: str) -> str | None:
    """Return the fingerprint of what `expression` finds in the event; None without an expression.

    Nothing found, or an expression that fails on this event, is content too: it agrees with
    nothing found in another event, and differs from anything else.
    """
    if not expression:
        return None
    try:
        found = _compiled(expression).search(envelope, options=_OPTIONS)
        return fingerprint_of(found)
    except (JMESPathError, *_EVALUATION_ERRORS):
        return NOTHING_FOUND


def fingerprint_of(content: Any) -> str:
    """Return a short SHA-256 of JSON content: 64 bits, so that nothing can be read out of it."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_DIGITS]


def checked_key(key: object) -> str:
    """Return a key a caller passed; raise `KeyMissingError` unless it is a non-blank text."""
    if isinstance(key, str) and key.strip():
        return key
    kind = "blank" if isinstance(key, str) else f"a {type(key).__name__}"
    message = f"the key is {kind}, expected a non-blank text; retrying does not help"
    raise KeyMissingError(message)


NOTHING_FOUND = fingerprint_of(None)
"""The fingerprint of an event in which the expression finds nothing."""


def origin_text(value: object) -> str | None:
    """Return a short, storable text of an id found in an event, or None if it is no text."""
    if not isinstance(value, str) or not value:
        return None
    return value[:_ORIGIN_TEXT_MAX].encode("utf-8", "replace").decode()


def _as_text(value: object, expression: str, name: str) -> str:
    if isinstance(value, str):
        if value.strip():
            return value
        raise _missing(expression, f"{name} is {'whitespace' if value else 'empty'}")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        kind = "null" if value is None else f"a {type(value).__name__}"
        raise _missing(expression, f"{name} is {kind}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _missing(expression, f"{name} is no finite number")
    try:
        return str(value)
    except ValueError:  # sys.set_int_max_str_digits; sums can grow past what JSON can spell
        raise _missing(expression, f"{name} is a number of too many digits") from None


def _missing(expression: str, reason: str) -> KeyMissingError:
    return KeyMissingError(
        f"the event has no usable key: {expression!r} {reason}, expected a text or a number (or a"
        " list of them); retrying does not help: mend the producer or CXONE_IDEM_KEY"
    )
