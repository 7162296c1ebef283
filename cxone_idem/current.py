"""The claim under which the code that runs here does its work."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from cxone_idem.errors import IdemError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxone_idem.claimed import Claimed

_current: ContextVar[Claimed | None] = ContextVar("cxone_idem_current_claim")


def current_claim() -> Claimed | None:
    """Return the claim that the running `process_event` or `@once` function works under.

    None if the function runs without one, because `CXONE_IDEM_DISABLED` is set. Raises `IdemError`
    if no such function is running here (retrying never helps); a thread that the function started
    is not here, so pass it the claim.
    """
    try:
        return _current.get()
    except LookupError:
        message = (
            "no process_event and no @once function is running in this thread or task, so there is"
            " no current claim; retrying does not help: call current_claim() in the function"
            " itself, and pass the claim to the threads it starts"
        )
        raise IdemError(message) from None


@contextmanager
def under(claim: Claimed | None) -> Iterator[None]:
    """Make `claim` the current one for as long as the block runs."""
    token = _current.set(claim)
    try:
        yield
    finally:
        _current.reset(token)
