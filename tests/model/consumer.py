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
)
from cxone_idem.record import Origin
from tests.model.process import Stop
from tests.model.world import KEYS

if TYPE_CHECKING:
    from cxone_idem import Claimed, Deduplicator
    from tests.model.process import Messages, Tape


class Work(Enum):
    """What the handler or the committer's thread does next, as the world decides."""

    RETURNS = "returns"
    RAISES = "raises"
    EXTENDS = "extends its lease"
    COMMITS = "the line is free: sends what waits to be completed"
    QUEUES = "the line is busy: leaves the completion waiting"


class HandlerError(Exception):
    """The handler failed."""


def by_the_verbs(claims: Deduplicator, messages: Messages, tape: Tape) -> None:
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
        _work(outcome, tape)
    except HandlerError:
        _try("release", outcome.release, tape)
    else:
        _try("complete", outcome.complete, tape)


def by_the_batch(claims: Deduplicator, messages: Messages, tape: Tape) -> None:
    """Consume with `process_batch`."""

    def process_event(event: dict[str, str]) -> None:
        # The claim itself is what the handler cannot see.
        held = claims._held(event["id"])  # noqa: SLF001
        _work(held, tape)

    records = [
        {"messageId": delivery, "body": json.dumps({"id": KEYS[key]})} for key, delivery in messages
    ]
    failures = claims.process_batch({"Records": records}, process_event)["batchItemFailures"]
    failed = {failure["itemIdentifier"] for failure in failures}
    for key, delivery in messages:
        tape.note("kept" if delivery in failed else "deleted", key=key)


def _work(held: Claimed, tape: Tape) -> None:
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
        _try("extend", held.extend, tape, key)


def _try(verb: str, act: object, tape: Tape, key: int = 0) -> None:
    assert callable(act)
    try:
        act()
    except ClaimLostError:
        tape.note("lost", verb, key)
    except StoreError:
        tape.note("unreachable", verb, key)
    else:
        tape.note("settled", verb, key)
