"""Text from events and errors, made fit for one line of a log."""

from __future__ import annotations

_SHOWN_MAX = 200
"""The characters of a text from an event that a line shows: an id, and nothing like a payload."""
# Longer than any id AWS makes; the origin is evidence, and must not grow the item past 1 KB.
_ORIGIN_TEXT_MAX = 128


def quoted(text: str) -> str:
    """Return a text from an event as a line may show it: in quotes, on one line, and short."""
    return repr(text[:_SHOWN_MAX]) + _left_out(text)


def legible(text: str) -> str:
    """Return a text with what cannot be printed escaped, and what can as it is."""
    return text if text.isprintable() else repr(text)[1:-1]


def shortened(text: str) -> str:
    """Return a text as a field of a log line may hold it: legible and short."""
    return legible(text[:_SHOWN_MAX]) + _left_out(text)


def kind_of(value: object) -> str:
    """Return the kind of a value, such as `an int`; its content may be a payload."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def json_kind_of(value: object) -> str:
    """Return the kind of a value out of JSON."""
    return "null" if value is None else kind_of(value)


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return a number of things, as in `1 attempt` and `2 attempts`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def region_of(client: object) -> str:
    """Return the region of a client of the AWS SDK, for an error to name it."""
    region: str | None = getattr(getattr(client, "meta", None), "region_name", None)
    return region or "unknown"


def _left_out(text: str) -> str:
    more = len(text) - _SHOWN_MAX
    return f"... ({counted(more, 'more character')})" if more > 0 else ""


def origin_text(value: object) -> str | None:
    """Return a short, storable text of an id found in an event, or None if it is no text."""
    if not isinstance(value, str) or not value:
        return None
    return value[:_ORIGIN_TEXT_MAX].encode("utf-8", "replace").decode()
