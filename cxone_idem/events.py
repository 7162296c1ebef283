"""Reads an event: its envelope, its key and its fingerprint, by JMESPath."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cxone_idem.canonical import (
    NotExactError,
    canonical,
    exact_number,
    may_be_rounded,
    number_text,
    reads_as_json,
)
from cxone_idem.errors import KeyMissingError, kind_of
from cxone_idem.expression import EVALUATION_ERRORS, are_same, search

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_KEY = "detail.IdempotencyKey || id"
DEFAULT_FINGERPRINT = (
    '[detail.conversationId || detail.conversation.id, detail.eventType || "detail-type"]'
)
NO_FINGERPRINT = "none"
"""The value of `CXONE_IDEM_FINGERPRINT` with which no event has a fingerprint."""

# Longer than any id AWS makes; the origin is evidence, and must not grow the item past 1 KB.
_ORIGIN_TEXT_MAX = 128
_FINGERPRINT_DIGITS = 16


def parse_envelope(body: Any, parse_float: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Return the event in an SQS message's body; raise `KeyMissingError` if there is none."""
    try:
        envelope = json.loads(body, parse_float=parse_float)
    except (TypeError, ValueError, RecursionError) as error:
        # A ValueError's text gives the position and never the payload.
        message = (
            f"the event has no key, as its body is not JSON ({error}); retrying does not help:"
            " send an EventBridge event"
        )
        raise KeyMissingError(message) from None
    if not isinstance(envelope, dict):
        message = (
            f"the event has no key, as its body is {kind_of(envelope)}, expected a JSON object;"
            " retrying does not help: send an EventBridge event"
        )
        raise KeyMissingError(message)
    return envelope


def parse_exactly(body: Any) -> dict[str, Any]:
    """Return the event as `parse_envelope` does, with every digit of its numbers.

    Keys and fingerprints are found in this one; a handler gets the ordinary one.
    """
    return parse_envelope(body, exact_number)


def find_key(event: Any, expression: str) -> str:
    """Return the key that `expression` finds in the event; different finds have different keys.

    Text counts as it is, and a number becomes text. A list or an object becomes canonical JSON and
    needs every part. A text that reads as such JSON is quoted, so that the two differ. Raises
    `KeyMissingError` if what is found is not usable.
    """
    is_default = are_same(expression, DEFAULT_KEY)
    searched = _without_an_entitys_id(event) if is_default else event
    try:
        found = search(expression, searched)
    except EVALUATION_ERRORS as error:
        raise _missing(expression, f"failed with {type(error).__name__}") from None
    hint = _hint(event) if found is None and is_default else ""
    try:
        _check(found)
        return _text_of(found)
    except NotExactError as error:
        raise _missing(expression, str(error), hint) from None
    except RecursionError:
        raise _missing(expression, "finds something nested too deep") from None


def find_fingerprint(event: Any, expression: str) -> str | None:
    """Return the fingerprint of what `expression` finds in the event, or None.

    It is None without an expression, and where the default one finds nothing: such an event agrees
    with any other. What an expression of the user's own does not find, or fails on, is content too:
    it agrees with nothing found in another event, and differs from anything else.
    """
    if expression in {"", NO_FINGERPRINT}:
        return None
    try:
        found = search(expression, event)
        if found == [None, None] and are_same(expression, DEFAULT_FINGERPRINT):
            return None
        return _hash(found)
    except EVALUATION_ERRORS:
        return NOTHING_FOUND


def fingerprint_of(content: Any) -> str:
    """Return a short SHA-256 of JSON content: 64 bits, so that nothing can be read out of it."""
    try:
        return _hash(content)
    except (NotExactError, RecursionError) as error:
        message = (
            f"the fingerprint cannot be used: it holds {error}; expected JSON content, such as a"
            " conversation id; retrying does not help"
        )
        raise TypeError(message) from None


def checked_key(key: object) -> str:
    """Return a key a caller passed; raise `KeyMissingError` unless it is a non-blank text."""
    if isinstance(key, str) and key.strip():
        return key
    kind = "blank" if isinstance(key, str) else kind_of(key)
    message = (
        f"the key is {kind}, expected a non-blank text; retrying does not help: pass the key of"
        " the event"
    )
    raise KeyMissingError(message)


def origin_text(value: object) -> str | None:
    """Return a short, storable text of an id found in an event, or None if it is no text."""
    if not isinstance(value, str) or not value:
        return None
    return value[:_ORIGIN_TEXT_MAX].encode("utf-8", "replace").decode()


def _hash(content: Any) -> str:
    text = canonical(content, ascii_only=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_DIGITS]


NOTHING_FOUND = _hash(None)
"""The fingerprint of an event in which an expression of the user's own finds nothing."""


def _text_of(found: Any) -> str:
    if isinstance(found, str):
        return canonical(found) if reads_as_json(found) else found
    return canonical(found)


def _check(value: object, name: str = "") -> None:
    """Raise `NotExactError` unless a value is a text, a number, or a list or object of them."""
    if isinstance(value, (list, dict)):
        _check_parts(value, name)
        return
    wrong = ""
    if isinstance(value, str):
        if not value.strip():
            wrong = "whitespace only" if value else "an empty text"
    elif isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        wrong = kind_of(value)
    elif may_be_rounded(value):
        wrong = "a float so large that it may have lost digits"
    else:
        try:
            number_text(value)
        except NotExactError as error:
            wrong = str(error)
    if wrong:
        raise _not_exact(name, wrong)


def _check_parts(value: list[Any] | dict[Any, Any], name: str) -> None:
    kind = "list" if isinstance(value, list) else "object"
    if not value:
        raise _not_exact(name, f"an empty {kind}")
    if isinstance(value, dict) and not all(isinstance(each, str) for each in value):
        raise _not_exact(name, "an object with a name that is no text")
    parts = value if isinstance(value, list) else list(value.values())
    where = f" of {name}" if name else ""
    for number, part in enumerate(parts, start=1):
        _check(part, f"part {number} of {len(parts)}{where}")


def _not_exact(name: str, wrong: str) -> NotExactError:
    return NotExactError(
        f"finds something in which {name} is {wrong}" if name else f"finds {wrong}"
    )


def _is_envelope(event: Any) -> bool:
    """Tell whether an event is EventBridge's, whose `id` is that of the event and of no entity."""
    return (
        isinstance(event, Mapping)
        and isinstance(event.get("detail-type"), str)
        and isinstance(event.get("source"), str)
        and isinstance(event.get("detail"), Mapping)
    )


def _without_an_entitys_id(event: Any) -> Any:
    if _is_envelope(event) or not isinstance(event, Mapping):
        return event
    return {name: event[name] for name in event if name != "id"}


def _hint(event: Any) -> str:
    """Return what to set where the default expression finds nothing."""
    if not isinstance(event, Mapping) or _is_envelope(event):
        return ""
    if isinstance(event.get("Message"), str) and "TopicArn" in event:
        return (
            "this is a message of SNS: set CXONE_IDEM_KEY to from_json(Message).detail."
            "IdempotencyKey || from_json(Message).id, or switch raw message delivery on"
        )
    key = "IdempotencyKey" if event.get("IdempotencyKey") else "what only copies of one event share"
    return (
        "this is no EventBridge event (an object with detail-type, source and detail), and its `id`"
        f" may be an entity's, which many events share: set CXONE_IDEM_KEY to {key}"
    )


def _missing(expression: str, reason: str, hint: str = "") -> KeyMissingError:
    fix = hint or "fix the producer or CXONE_IDEM_KEY"
    return KeyMissingError(
        f"the event has no usable key: {expression!r} {reason}, expected a text or a number, or a"
        f" list or an object of them; retrying does not help: {fix}"
    )
