"""The fingerprint of an event: a short hash of the content that all events of its key share."""

from __future__ import annotations

import hashlib
from typing import Any

from cxone_idem.events.canonical import NotExactError, canonical
from cxone_idem.events.expression import EVALUATION_ERRORS, are_same, search

DEFAULT_FINGERPRINT = (
    '[detail.conversationId || detail.conversation.id, detail.eventType || "detail-type"]'
)
NO_FINGERPRINT = "none"
"""The value of `CXONE_IDEM_FINGERPRINT` with which no event has a fingerprint."""

_FINGERPRINT_DIGITS = 16


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


def _hash(content: Any) -> str:
    text = canonical(content, ascii_only=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_DIGITS]


NOTHING_FOUND = _hash(None)
"""The fingerprint of an event in which an expression of the user's own finds nothing."""
