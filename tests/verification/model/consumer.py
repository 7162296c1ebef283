"""What a worker does with a delivery: claim, work, and say how it went."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING

from cxone_idem import (
    AttemptsExhaustedError,
    ClaimLostError,
    InProgressError,
    StoreError,
    current_claim,
)
from cxone_idem.record import Origin, State
from tests.verification.model.process import Stop
from tests.verification.model.world import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Claimed, Deduplicator
    from tests.verification.model.process import Messages, Tape


ENVELOPE = {"detail-type": "conversation.start", "source": "nice.cxone", "detail": {}}


class Work(Enum):
    """What the handler or the committer's thread does next, as the world decides."""

    RETURNS = "returns"
    RAISES = "raises"
    EXTENDS = "extends its lease"
    COMMITS = "the line is free: sends what waits to be completed"
    QUEUES = "the line is busy: leaves the completion waiting"


class HandlerError(Exception):
    """The handler failed."""


def works(held: Claimed, tape: Tape) -> None:
    """Do the work of an event as the world decides: return, raise or extend the lease first."""
    key = KEYS.index(held.key)
    tape.note("claimed", key=key)
    while True:
        work = tape.wait(Stop.HANDLER)
        if work is Work.RETURNS:
            tape.note("returned", key=key)
            return
        if work is Work.RAISES:
            tape.note("raised", key=key)
            raise HandlerError
        try_verb("extend", held.extend, tape, key)


def by_the_verbs(
    claims: Deduplicator,
    messages: Messages,
    tape: Tape,
    work: Callable[[Claimed, Tape], None] = works,
) -> None:
    """Consume with claim, complete, release and extend, one message in the delivery."""
    ((key, delivery),) = messages
    try:
        outcome = claims.claim(KEYS[key], origin=Origin(message_id=delivery))
    except InProgressError:
        tape.note("in progress")
        return
    except AttemptsExhaustedError:
        tape.note("exhausted")
        return
    except StoreError:
        tape.note("unclaimed")
        return
    if not outcome:
        tape.note("already done")
        return
    try:
        work(outcome, tape)
    except HandlerError:
        _release(outcome, tape)
    else:
        try_verb("complete", outcome.complete, tape)


def by_the_batch(
    claims: Deduplicator,
    messages: Messages,
    tape: Tape,
    work: Callable[[Claimed, Tape], None] = works,
) -> None:
    """Consume with `process_batch`."""

    def process_event(event: dict[str, str]) -> None:
        held = current_claim()
        assert held is not None
        assert held.key == event["id"]
        work(held, tape)

    records = [
        {"messageId": delivery, "body": json.dumps({**ENVELOPE, "id": KEYS[key]})}
        for key, delivery in messages
    ]
    failures = claims.process_batch({"Records": records}, process_event)["batchItemFailures"]
    failed = {failure["itemIdentifier"] for failure in failures}
    for key, delivery in messages:
        tape.note("kept" if delivery in failed else "deleted", key=key)


def _release(held: Claimed, tape: Tape) -> None:
    def release() -> None:
        try:
            held.release()
        except ClaimLostError:
            # Once its transaction has committed a claim is done, and as good as completed.
            if held.record.state is not State.DONE:
                raise

    try_verb("release", release, tape)


def try_verb(verb: str, act: Callable[[], None], tape: Tape, key: int = 0) -> None:
    """Use a verb, and tell what came of it."""
    try:
        act()
    except ClaimLostError:
        tape.note("lost", verb, key)
    except StoreError:
        tape.note("unreachable", verb, key)
    else:
        tape.note("settled", verb, key)
