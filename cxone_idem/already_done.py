"""Word that the work on a key is done: what `claim` returns instead of a claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cxone_idem.cause import Cause, find_cause
from cxone_idem.errors import quoted
from cxone_idem.record import Origin

if TYPE_CHECKING:
    from cxone_idem.record import Record


class AlreadyDone:
    """The work on a key is done: drop the event. Falsy."""

    __slots__ = ("key", "origin", "record")

    def __init__(self, key: str, record: Record, origin: Origin | None = None) -> None:
        self.key = key
        self.record = record
        """Since when (`done_at_ms`), and by which delivery (`origin`)."""
        self.origin = origin or Origin()
        """Whose delivery this one is, as far as the caller said."""

    def __reduce__(self) -> tuple[type[AlreadyDone], tuple[str, Record, Origin]]:
        return type(self), (self.key, self.record, self.origin)

    @property
    def cause(self) -> Cause:
        """Why this delivery came although the work is done."""
        return find_cause(self.record.origin, self.origin)

    @property
    def result(self) -> Any:
        """What the work was completed with, as JSON gives it back: tuples have become lists.

        Raises `ResultMissingError` if no result is stored (retrying never helps).
        """
        # Imported here, as in `complete`: few consumers store results, and all start cold.
        from cxone_idem.result import from_text  # noqa: PLC0415

        return from_text(self.record.result, self.key)

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return f"AlreadyDone(key={quoted(self.key)}, done_at_ms={self.record.done_at_ms})"
