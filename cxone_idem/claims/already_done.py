"""The result of claiming a key whose work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn

from cxone_idem.cause import Cause, find_cause
from cxone_idem.claims.result import from_text
from cxone_idem.record import Origin, Record
from cxone_idem.text import quoted


class AlreadyDone:
    """Result of claiming a key whose work is done: drop the event. Falsy."""

    __slots__ = ("key", "origin", "record")

    def __init__(self, key: str, record: Record, origin: Origin | None = None) -> None:
        self.key = key
        self.record = record
        """Since when (`done_at_ms`), and by which delivery (`origin`)."""
        self.origin = origin or Origin()
        """The delivery that is a duplicate, as far as the caller named it."""

    def __reduce__(self) -> tuple[type[AlreadyDone], tuple[str, Record, Origin]]:
        return type(self), (self.key, self.record, self.origin)

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return f"AlreadyDone(key={quoted(self.key)}, done_at_ms={self.record.done_at_ms})"

    if not TYPE_CHECKING:  # a type checker says it before any duplicate came

        def __enter__(self) -> NoReturn:
            raise TypeError(no_claim_text(self))

        __exit__ = __aenter__ = __aexit__ = __enter__

        def __getattr__(self, name: str) -> NoReturn:
            of_a_claim = name in {"complete", "extend", "generation", "release", "transaction_item"}
            none = f"'AlreadyDone' object has no attribute {name!r}"
            raise AttributeError(no_claim_text(self) if of_a_claim else none)

    @property
    def cause(self) -> Cause:
        """The reason why this delivery came although the work is done."""
        return find_cause(self.record.origin, self.origin)

    @property
    def result(self) -> Any:
        """The result that the work was completed with, as JSON returns it: tuples become lists.

        Raises `ResultMissingError` if no result is stored (retrying never helps).
        """
        return from_text(self.record.result, self.key)


def no_claim_text(done: AlreadyDone) -> str:
    """Return the text of the error of code that takes a duplicate for a claim."""
    return (
        f"key {quoted(done.key)} is done already, so there is no claim: drop the event; retrying"
        " does not help: test first, as in `claimed = claim(key)`, then `if claimed:`, and in it"
        " `with claimed:` or `complete(claimed)`"
    )
