"""Outcome of one message of a batch, for all that looks on: logs, metrics, visibility."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from cxone_idem.cause import Cause, find_cause
from cxone_idem.fate import Fate
from cxone_idem.record import Origin

if TYPE_CHECKING:
    from cxone_idem.record import Record
    from cxone_idem.sqs_message import Message


class Outcome(NamedTuple):
    """The fate of a message, and the evidence."""

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
    fingerprint: str | None = None
    """A hash of what all events of the key must agree in."""
    error: BaseException | None = None
    """The error, if there is one: the handler's own error, or one of this library's."""

    @property
    def cause(self) -> Cause | None:
        """The reason why the message came although its key was taken; None if it was not."""
        if self.fate is Fate.OTHER_CONTENT:
            return Cause.NOT_A_DUPLICATE
        if self.fate not in _TAKEN:
            return None
        origin = self.origin
        if self.fate is Fate.SAME_BATCH:
            # Messages of one batch share their invocation, which says nothing then.
            origin = replace(origin, request_id=None)
        return find_cause(self.first or Origin(), origin)


_TAKEN = frozenset({Fate.ALREADY_DONE, Fate.SAME_BATCH, Fate.IN_PROGRESS})
