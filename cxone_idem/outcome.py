"""What became of one message of a batch, for all that looks on: logs, metrics, visibility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxone_idem.fate import Fate
    from cxone_idem.record import Origin, Record
    from cxone_idem.sqs_message import Message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message, and the evidence."""

    message: Message
    fate: Fate
    key: str
    """Empty if the event yields none."""
    origin: Origin
    """Whose delivery this message is."""
    record: Record | None = None
    """The record of our own claim; or else the one that stood in the way, if one did."""
    first: Origin | None = None
    """Whose delivery had the key before this one; None if this one is the first."""
    error: Exception | None = None
    """What went wrong: the handler's own error, or one of this library's."""
