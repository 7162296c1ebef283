"""The event in a message's body, and the ids in it that say where it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from cxone_idem.errors import KeyMissingError
from cxone_idem.events.canonical import exact_number
from cxone_idem.events.handler import name_of
from cxone_idem.text import json_kind_of, kind_of


def parse_envelope(
    body: Any, parse_float: Callable[[str], Any] | None = None, decode: Any = None
) -> dict[str, Any]:
    """Return the event in an SQS message's body; raise `KeyMissingError` if there is none.

    `decode` is the function that made the body, if one did.
    """
    fix = "fix decode, or the sender" if decode else "send an EventBridge event"
    try:
        envelope = json.loads(body, parse_float=parse_float)
        found = json_kind_of(envelope)
    except TypeError:
        envelope, found = None, kind_of(body)
    except (ValueError, RecursionError) as error:
        # A ValueError's text gives the position and never the payload.
        envelope, found = None, f"a text that is not JSON ({error})"
        fix = fix if decode else "send JSON, or pass a decode= that undoes what encodes it"
    if isinstance(envelope, dict):
        return envelope
    reason = f"decode {name_of(decode)} returned {found}" if decode else f"its body is {found}"
    if body is None and not decode:
        reason = "the record has no body"
    message = (
        f"the event has no key, as {reason}, expected a JSON object; retrying does not help: {fix}"
    )
    raise KeyMissingError(message)


def parse_twice(body: Any, decode: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the event as a handler gets it, and with every digit of its numbers.

    Keys and fingerprints are found in the second. Both are one object if no number differs.
    `decode` is as for `parse_envelope`.
    """
    differs = False

    def number(text: str) -> float | Decimal:
        nonlocal differs
        exact = exact_number(text)
        differs |= exact != float(text) or not isinstance(exact, float)
        return exact

    exactly = parse_envelope(body, number, decode)
    return parse_envelope(body) if differs else exactly, exactly


def is_envelope(event: Any) -> bool:
    """Return whether an event is EventBridge's, whose `id` is that of the event."""
    return (
        isinstance(event, Mapping)
        and isinstance(event.get("detail-type"), str)
        and isinstance(event.get("source"), str)
        and isinstance(event.get("detail"), Mapping)
    )
