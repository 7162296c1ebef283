"""The key of an event, found by a JMESPath expression."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cxone_idem.errors import KeyMissingError
from cxone_idem.events.canonical import (
    NotExactError,
    canonical,
    may_be_rounded,
    number_text,
    reads_as_json,
)
from cxone_idem.events.envelope import is_envelope
from cxone_idem.events.expression import EVALUATION_ERRORS, are_same, search
from cxone_idem.text import json_kind_of, kind_of, quoted

DEFAULT_KEY = "detail.IdempotencyKey || id"


def find_key(event: Any, expression: str) -> str:
    """Return the key that `expression` finds in the event; different finds have different keys.

    Text counts as it is, and a number becomes text. A list or an object becomes canonical JSON and
    needs every part. A text that reads as such JSON is quoted, so that the two differ. Raises
    `KeyMissingError` if what is found is not usable.
    """
    is_default = are_same(expression, DEFAULT_KEY)
    searched = event
    if is_default and isinstance(event, Mapping) and not is_envelope(event):
        # Its `id` may be that of an entity.
        searched = {name: event[name] for name in event if name != "id"}
    try:
        found = search(expression, searched)
    except EVALUATION_ERRORS as error:
        reason = f"failed with {type(error).__name__}"
        raise _missing(expression, reason, _batch_hint(event)) from None
    try:
        _check(found, expression)
        is_plain = isinstance(found, str) and not reads_as_json(found)
        return str(found) if is_plain else canonical(found)
    except NotExactError as error:
        hint = _batch_hint(event) or (_hint(event) if found is None and is_default else "")
        raise _missing(expression, str(error), hint) from None
    except RecursionError:
        raise _missing(expression, "finds something nested too deep") from None


def checked_key(key: object, name: str = "the key") -> str:
    """Return a key a caller passed; raise `KeyMissingError` unless it is a non-blank text."""
    if isinstance(key, str) and key.strip():
        return key
    kind = "blank" if isinstance(key, str) else kind_of(key)
    fix = "pass the text that only copies of one event share"
    message = f"{name} is {kind}, expected a non-blank text; retrying does not help: {fix}"
    raise KeyMissingError(message)


def _check(value: Any, expression: str, name: str = "") -> None:
    """Raise `NotExactError` unless a value is a text, a number, or a list or object of them."""
    wrong = ""
    if isinstance(value, (list, dict)):
        if not value:
            wrong = f"an empty {'list' if isinstance(value, list) else 'object'}"
        elif isinstance(value, dict) and not all(isinstance(each, str) for each in value):
            wrong = "an object with a name that is no text"
        else:
            _check_parts(value, expression, name)
    elif isinstance(value, str):
        if not value.strip():
            wrong = "whitespace only" if value else "an empty text"
    elif isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        wrong = json_kind_of(value)
    elif may_be_rounded(value):
        wrong = "a float so large that it may have lost digits"
    else:
        try:
            number_text(value)
        except NotExactError as error:
            wrong = str(error)
    if wrong:
        message = f"finds a value whose {name} is {wrong}" if name else f"finds {wrong}"
        raise NotExactError(message)


def _check_parts(found: list[Any] | dict[str, Any], expression: str, name: str) -> None:
    where = f" of {name}" if name else ""
    names = [*found] if isinstance(found, dict) else [""] * len(found)
    parts = found.values() if isinstance(found, dict) else found
    for number, (member, part) in enumerate(zip(names, parts, strict=True), start=1):
        # What the expression does not name is the event's own, and may be payload.
        is_known = member and member in expression
        called = f"member {quoted(member)}" if is_known else f"part {number} of {len(names)}"
        _check(part, expression, f"{called}{where}")


def _hint(event: Any) -> str:
    """Return what to set where the default expression finds nothing."""
    if not isinstance(event, Mapping) or is_envelope(event):
        return ""
    if isinstance(event.get("Message"), str) and "TopicArn" in event:
        return (
            "this is a message of SNS: pass decode=cxone_idem.sns.decode to the deduplicator, or"
            " switch raw message delivery on"
        )
    key = "IdempotencyKey" if event.get("IdempotencyKey") else "what only copies of one event share"
    return (
        "this is no EventBridge event (an object with detail-type, source and detail), and its `id`"
        f" may be an entity's, which many events share: set CXONE_IDEM_KEY to {key}"
    )


def _batch_hint(event: Any) -> str:
    """Return what to do with a batch: one key for all of its events would drop most of them."""
    records = event.get("Records") if isinstance(event, Mapping) else event
    first = records[0] if isinstance(records, list) and records else None
    source = (
        first.get("eventSource", first.get("EventSource")) if isinstance(first, Mapping) else ""
    )
    sign = "it has 'Records'" if isinstance(event, Mapping) else "a list of records"
    if source == "aws:sqs":
        fix = "use process_batch(event, process_event, context=context)"
        return f"this is a batch of SQS ({sign}): {fix}"
    # A tuple, as it may be any JSON. Not one of S3, which comes in a message and is one event.
    if source in ("aws:sns", "aws:kinesis", "aws:dynamodb"):
        return f"this is a batch of {source} ({sign}): call the function for the event in each"
    return ""


def _missing(expression: str, reason: str, hint: str = "") -> KeyMissingError:
    fix = hint or "fix the producer or CXONE_IDEM_KEY"
    return KeyMissingError(
        f"the event has no usable key: {expression!r} {reason}, expected a text or a number, or a"
        f" list or an object of them; retrying does not help: {fix}"
    )
