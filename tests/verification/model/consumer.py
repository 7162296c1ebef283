"""What a worker does with a delivery: claim, work, and say how it went."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch

from cxone_idem import (
    AttemptsExhaustedError,
    ClaimLostError,
    InProgressError,
    StoreError,
    current_claim,
)
from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.session import Session
from cxone_idem.protocol.claim_attempt import ClaimAttempt
from cxone_idem.record import Origin, State
from cxone_idem.sqs import committer, run
from tests.verification.model.process import KEYS, Messages, Port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cxone_idem import Claimed, Deduplicator
    from cxone_idem.claims.manager import ClaimManager
    from cxone_idem.protocol.store import Budget
    from cxone_idem.protocol.transition import Transition
    from tests.verification.model.process import Request

    Handler = Callable[[Claimed, Port], None]

ENVELOPE = {"detail-type": "conversation.start", "source": "nice.cxone", "detail": {}}


Work = Literal["returns", "raises", "extends", "sends completions", "queues its completion"]
"""What the handler or the committer's thread does next, as the world decides."""


class HandlerError(Exception):
    """The handler failed."""


def works(held: Claimed, port: Port) -> None:
    """Do the work of an event as the world decides: return or raise, or extend the lease first."""
    key = KEYS.index(held.key)
    if _decided(held, port) == "raises":
        fails(held, port)
    port.note("returned", key)


def transacts(held: Claimed, port: Port) -> None:
    """Do the work by one transaction, which makes the effect and records it."""
    if not commits(held, port, held.transaction_item):
        fails(held, port)


def commits(held: Claimed, port: Port, item: Callable[[], Request]) -> bool:
    """Send the request that makes the effect; return whether it is known to be carried out."""
    if _decided(held, port) == "raises":
        return False
    try:
        return port.ask(item()).written
    except StoreError:
        return False


def fails(held: Claimed, port: Port) -> None:
    """Raise, as a handler does whose work is not known to be done."""
    port.note("raised", KEYS.index(held.key))
    raise HandlerError


def _decided(held: Claimed, port: Port) -> Work:
    key = KEYS.index(held.key)
    port.note("claimed", key)
    while True:
        if port.alone:
            port.log[:] = [held.held]  # how it came to it matters no more
        work: Work = port.wait("handler")
        if work != "extends":
            return work
        _try_verb("extended", held.extend, port, key)


def by_the_verbs(handler: Handler, claims: Deduplicator, messages: Messages, port: Port) -> None:
    """Consume with claim, complete, release and extend, one message in the delivery."""
    ((key, delivery),) = messages
    try:
        outcome = claims.claim(KEYS[key], origin=Origin(message_id=delivery))
    except (InProgressError, AttemptsExhaustedError, StoreError) as error:
        port.note(type(error).__name__)
        return
    if not outcome:
        port.note("already done")
        return
    try:
        handler(outcome, port)
    except HandlerError:
        _try_verb("released", partial(_release, outcome), port)
    else:
        _try_verb("completed", outcome.complete, port)


def by_the_batch(handler: Handler, claims: Deduplicator, messages: Messages, port: Port) -> None:
    """Consume with `process_batch`."""

    def process_event(event: dict[str, str]) -> None:
        held = current_claim()
        assert held is not None
        assert held.key == event["id"]
        handler(held, port)

    records = [
        {"messageId": delivery, "body": json.dumps({**ENVELOPE, "id": KEYS[key]})}
        for key, delivery in messages
    ]
    failures = claims.process_batch({"Records": records}, process_event)["batchItemFailures"]
    failed = {failure["itemIdentifier"] for failure in failures}
    for key, delivery in messages:
        port.note("kept" if delivery in failed else "deleted", key)


def _release(held: Claimed) -> None:
    try:
        held.release()
    except ClaimLostError:
        # Once its transaction has committed a claim is done, and as good as completed.
        if held.record.state is not State.DONE:
            raise


def _try_verb(verb: str, act: Callable[[], None], port: Port, key: int = 0) -> None:
    try:
        act()
    except (ClaimLostError, StoreError) as error:
        port.note(type(error).__name__, key)
    else:
        port.note(verb, key)


class OwnedCommitter(committer.GroupCommitter):
    """The library's committer without its thread: its moments are the world's.

    Where it would wake the thread, the world says whether the line is free (what waits is sent
    before the next handler starts) or busy (it is left to a later group, at the latest to `close`).
    A group on its way while a handler runs is the same to the store as one before or after it: they
    are about different keys.
    """

    def __init__(self, claims: ClaimManager, invocation: Invocation) -> None:
        super().__init__(claims, invocation)
        self._port: Port = claims._session._store  # type: ignore[assignment]  # noqa: SLF001 -- a Port
        self._changed = self  # type: ignore[assignment]

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def _start(self) -> bool:
        self._thread = SimpleNamespace(join=self._work)  # type: ignore[assignment]
        return True

    def notify(self) -> None:
        """Have the thread go on, if the world says that it gets its turn by now."""
        if self._waiting and not self._closed and self._port.wait("line") == "sends completions":
            self._commit(self._next_group())

    def wait_for(self, *_: object) -> None:
        """Linger no time: the world has said when the group is sent."""


_run = Session.run


def _run_in_sight(session: Session, transitions: Sequence[Transition], budget: Budget) -> None:
    log: list[object] = session._store.log  # type: ignore[attr-defined]  # noqa: SLF001 -- a Port
    log.append(transitions)
    _run(session, transitions, budget)
    # Of a write that is done its owner only asks how it ended.
    log[-1] = [one if isinstance(one, ClaimAttempt) else type(one.error) for one in transitions]


@contextmanager
def in_sight() -> Iterator[None]:
    """Put every committer's thread into the world's hands, and show it the transitions."""
    with (
        patch.object(run, "GroupCommitter", OwnedCommitter),
        patch.object(Session, "run", _run_in_sight),
    ):
        yield
