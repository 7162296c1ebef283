"""The event behind an SQS record, and what its consumer's settings find in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cxone_idem.config import Config
from cxone_idem.errors import KeyMissingError
from cxone_idem.events.envelope import parse_twice
from cxone_idem.events.expression import with_record
from cxone_idem.events.fingerprint import find_fingerprint
from cxone_idem.events.handler import name_of
from cxone_idem.events.key import find_key

Decode = Callable[[Any], Mapping[str, Any] | str | bytes]
"""A function from an SQS record, as Lambda delivers it, to its event or to the event's JSON.

JSON is the better: numbers in keys then keep every digit.
"""


def read_event(record: Mapping[str, Any], decode: Decode | None) -> tuple[dict[str, Any], Any]:
    """Return a record's event as its handler gets it, and with every digit; perhaps one object.

    Raises `KeyMissingError` if there is none.
    """
    if decode is None:
        return parse_twice(record.get("body"))
    decoded = _decoded(record, decode)
    if isinstance(decoded, Mapping):
        event = dict(decoded)
        return event, event
    return parse_twice(decoded, decode)


def find_ids(event: Any, record: Mapping[str, Any], config: Config) -> tuple[str, str | None]:
    """Return an event's key and its fingerprint; raise `KeyMissingError` if it has no key."""
    key = find_key(with_record(event, record, config.key), config.key)
    seen = with_record(event, record, config.fingerprint)
    return key, find_fingerprint(seen, config.fingerprint)


def _decoded(record: Mapping[str, Any], decode: Decode) -> object:
    try:
        return decode(record)
    except Exception as error:  # noqa: BLE001 -- the message's own; its text may quote the payload
        message = (
            f"decode {name_of(decode)} raised {type(error).__name__}, so there is no event;"
            " retrying does not help, unless decode asked a service that was away: fix decode, or"
            " the sender"
        )
    raise KeyMissingError(message)
