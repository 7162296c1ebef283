"""Workers whose effect and record are one write, as a user's own transaction makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem import StoreError
from tests.verification.model.consumer import (
    HandlerError,
    Work,
    by_the_batch,
    by_the_verbs,
    try_verb,
)
from tests.verification.model.process import Stop
from tests.verification.model.world import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Claimed, Deduplicator
    from cxone_idem.protocol.store import PutResult
    from tests.verification.model.process import Messages, Request, Tape


def by_the_verbs_in_transactions(claims: Deduplicator, messages: Messages, tape: Tape) -> None:
    """Consume with the verbs; the work is a transaction."""
    by_the_verbs(claims, messages, tape, _transacts)


def by_the_batch_in_transactions(claims: Deduplicator, messages: Messages, tape: Tape) -> None:
    """Consume with `process_batch`; the work is a transaction."""
    by_the_batch(claims, messages, tape, _transacts)


def commits(held: Claimed, tape: Tape, item: Callable[[], Request]) -> bool:
    """Send the request that makes the effect; tell whether it is known to be carried out."""
    key = KEYS.index(held.key)
    tape.note("claimed", key=key)
    while (work := tape.wait(Stop.HANDLER)) is Work.EXTENDS:
        try_verb("extend", held.extend, tape, key)
    if work is Work.RAISES:
        return False
    try:
        answer: PutResult = held._manager._session._store.ask(item())  # type: ignore[attr-defined]  # noqa: SLF001 -- a Port
    except StoreError:
        return False
    return answer.written


def fails(held: Claimed, tape: Tape) -> None:
    """Raise, as a handler does whose transaction is not known to be committed."""
    tape.note("raised", key=KEYS.index(held.key))
    raise HandlerError


def _transacts(held: Claimed, tape: Tape) -> None:
    if not commits(held, tape, held.transaction_item):
        fails(held, tape)
