"""What a worker does with a delivery: claim, work, and say how it went."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING

from cxone_idem import ClaimLostError, InProgressError, StoreError
from cxone_idem.record import Origin
from tests.model.process import Stop

if TYPE_CHECKING:
    from cxone_idem import Claimed, Deduplicator
    from tests.model.process import Tape

KEY = "k"


class Work(Enum):
    """What the handler does next, as the world decides."""

    RETURNS = "returns"
    RAISES = "raises"
    EXTENDS = "extends its lease"


class HandlerError(Exception):
    """The handler failed."""


def by_the_verbs(claims: Deduplicator, delivery: str, tape: Tape) -> None:
    """Consume with claim, complete, release and extend."""
    try:
        outcome = claims.claim(KEY, origin=Origin(message_id=delivery))
    except InProgressError:
        tape.note("in progress")
        return
    except StoreError:
        tape.note("unclaimed")
        return
    if not outcome:
        tape.note("already done")
        return
    try:
        _work(outcome, tape)
    except HandlerError:
        _try("release", outcome.release, tape)
    else:
        _try("complete", outcome.complete, tape)


def by_the_batch(claims: Deduplicator, delivery: str, tape: Tape) -> None:
    """Consume with `process_batch`, one message in the batch."""

    def process_event(_event: object) -> None:
        held = claims._held(KEY)  # noqa: SLF001 -- the claim itself is what the handler cannot see
        _work(held, tape)

    message = {"messageId": delivery, "body": json.dumps({"id": KEY})}
    failed = claims.process_batch({"Records": [message]}, process_event)["batchItemFailures"]
    tape.note("kept" if failed else "deleted")


def _work(held: Claimed, tape: Tape) -> None:
    tape.note("claimed")
    while True:
        work = tape.wait(Stop.HANDLER)
        if work is Work.RETURNS:
            tape.note("returned")
            return
        if work is Work.RAISES:
            tape.note("raised")
            raise HandlerError
        _try("extend", held.extend, tape)


def _try(verb: str, act: object, tape: Tape) -> None:
    assert callable(act)
    try:
        act()
    except ClaimLostError:
        tape.note("lost", verb)
    except StoreError:
        tape.note("unreachable", verb)
    else:
        tape.note("settled", verb)
