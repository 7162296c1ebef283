"""What a CXone event is about: what tells whether two events with one key are one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem.events import origin_text

if TYPE_CHECKING:
    from collections.abc import Mapping


class Subject(NamedTuple):
    """Three things a CXone event tells of itself; None where it does not. Held, never logged."""

    conversation: str | None = None
    event_type: str | None = None
    timestamp: str | None = None


NOTHING_SAID = Subject()


def find_subject(envelope: Mapping[str, Any]) -> Subject:
    """Return what an event is about, where CXone's events are known to say it."""
    detail = envelope.get("detail")
    if not isinstance(detail, dict):
        return NOTHING_SAID
    conversation = detail.get("conversationId")
    if conversation is None and isinstance(detail.get("conversation"), dict):
        conversation = detail["conversation"].get("id")
    event_type = detail.get("eventType", envelope.get("detail-type"))
    return Subject(
        origin_text(conversation), origin_text(event_type), origin_text(detail.get("timestamp"))
    )
