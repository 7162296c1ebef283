"""Mistakes that the check must find: small pieces of the real code or of its store, replaced."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from cxone_idem.protocol import decisions, transition
from cxone_idem.protocol.clock import ClockSample
from cxone_idem.protocol.decisions import Decision, decide_refused_claim
from cxone_idem.protocol.store import PutResult
from cxone_idem.record import State
from tests.verification.model import invariants
from tests.verification.model.consumer import by_the_verbs
from tests.verification.model.process import Port, Program, Request, Verb
from tests.verification.model.search import Search
from tests.verification.model.world import Budget, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Deduplicator
    from cxone_idem.record import Record
    from tests.verification.model.process import Messages, Tape
    from tests.verification.model.search import Found

_TWO_MINUTES_MS = 120_000


class CheckThenInsert(Port):
    """Reads, decides, and writes in a second request."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Write if the version read a moment ago was the expected one."""
        answer = self.ask(Request(Verb.READ, record))
        if (answer.existing.version if answer.existing else None) != expected_version:
            return answer
        return self.ask(Request(Verb.PUT, record))


class UnconditionalComplete(Port):
    """Completes whatever stands there."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Write a completion without its condition."""
        if record.state is State.DONE:
            return self.ask(Request(Verb.PUT, record))
        return super().put_if(record, expected_version)


class UnconditionalDelete(Port):
    """Deletes whatever stands there when the handler fails."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Delete instead of releasing."""
        if record.state is State.RELEASED:
            return self.ask(Request(Verb.DELETE, record))
        return super().put_if(record, expected_version)


class NoDate(Port):
    """Leaves every worker to its own clock."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Write, and drop the store's time from the answer."""
        answer = super().put_if(record, expected_version)
        return PutResult(answer.written, answer.existing)


class ClockInCondition(NoDate):
    """Puts the client's clock into the condition: a claim takes over what it thinks has lapsed."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Claim if there is no item or if its lease is over by the claimant's clock."""
        if record.state is State.IN_PROGRESS and expected_version is None:
            return self.ask(Request(Verb.CLAIM_IF_LAPSED, record))
        return super().put_if(record, expected_version)


def _never_own(attempted: Record, existing: Record | None) -> bool:  # noqa: ARG001 -- by contract
    return False


def _done_until_deleted(
    attempted: Record, existing: Record | None, store_time_ms: int, max_attempts: int
) -> Decision:
    if existing is not None and existing.state is State.DONE:
        return Decision.OWNED if existing.version == attempted.version else Decision.DONE
    return decide_refused_claim(attempted, existing, store_time_ms, max_attempts)


def _held_until_deleted(
    attempted: Record, existing: Record | None, store_time_ms: int, max_attempts: int
) -> Decision:
    decision = decide_refused_claim(attempted, existing, store_time_ms, max_attempts)
    held = existing is not None and existing.state is State.IN_PROGRESS
    return Decision.IN_PROGRESS if held and decision is Decision.TAKE_OVER else decision


def _one_more_attempt(
    attempted: Record, existing: Record | None, store_time_ms: int, max_attempts: int
) -> Decision:
    return decide_refused_claim(attempted, existing, store_time_ms, max_attempts + 1)


def _always_covers(sample: ClockSample, lease_until_ms: int, lease_ms: int) -> bool:  # noqa: ARG001 -- by contract
    return True


class Mistake(NamedTuple):
    """A broken variant, the world that shows it, and what it must be caught by."""

    name: str
    world: World
    caught_by: frozenset[str]
    port: type[Port] = Port
    patches: tuple[tuple[Any, str, Any], ...] = ()
    deliver: Callable[[Deduplicator, Messages, Tape], None] = by_the_verbs

    def search(self) -> Found:
        """Search the mistake's world with the mistake made."""
        with ExitStack() as stack:
            for where, name, instead in self.patches:
                stack.enter_context(patch.object(where, name, instead))
            return Search(Program(self.world.config, self.port, self.deliver), self.world).run()


def _mistake(name: str, budget: Budget, *caught_by: str, **more: Any) -> Mistake:
    clocks_ms = more.pop("clocks_ms", (0, 0, 0))
    tells_date = more.pop("tells_date", True)
    max_attempts = more.pop("max_attempts", 0)
    world = World(name, budget, clocks_ms, tells_date=tells_date, max_attempts=max_attempts)
    return Mistake(name, world, frozenset(caught_by), **more)


MISTAKES = (
    _mistake(
        "check, then insert",
        Budget(),
        invariants.OWN_RECORD,
        invariants.ONE_OWNER,
        port=CheckThenInsert,
    ),
    _mistake(
        "complete without a condition",
        Budget(waits=1),
        invariants.OWN_RECORD,
        port=UnconditionalComplete,
    ),
    _mistake(
        "delete without a condition when the handler fails",
        Budget(waits=1, raises=1),
        invariants.OWN_RECORD,
        invariants.DONE_ONCE,
        port=UnconditionalDelete,
    ),
    _mistake(
        "own writes are not recognised",
        Budget(losses=1),
        invariants.OWN_WRITE,
        patches=((decisions, "is_own", _never_own),),
    ),
    _mistake(
        "leases judged by the local clock, which is 2 minutes fast",
        Budget(),
        invariants.ONE_OWNER,
        invariants.OWN_RECORD,
        port=NoDate,
        clocks_ms=(_TWO_MINUTES_MS, 0, 0),
    ),
    _mistake(
        "the claimant's clock inside the condition",
        Budget(),
        invariants.ONE_OWNER,
        invariants.OWN_RECORD,
        port=ClockInCondition,
        clocks_ms=(_TWO_MINUTES_MS, 0, 0),
    ),
    _mistake(
        "DONE counts until TTL deletes it",
        Budget(),
        invariants.NOTHING_LOST,
        patches=((decisions, "decide_refused_claim", _done_until_deleted),),
    ),
    _mistake(
        "a lease counts until TTL deletes it",
        Budget(),
        invariants.NOTHING_LOST,
        patches=((decisions, "decide_refused_claim", _held_until_deleted),),
    ),
    _mistake(
        "one attempt more than is allowed",
        Budget(raises=1),
        invariants.TRIED_OUT,
        max_attempts=1,
        patches=((decisions, "decide_refused_claim", _one_more_attempt),),
    ),
    _mistake(
        "a slow clock's first lease is not stamped again",
        Budget(),
        invariants.ONE_OWNER,
        invariants.OWN_RECORD,
        clocks_ms=(-_TWO_MINUTES_MS, 0, 0),
        patches=((ClockSample, "covers", _always_covers),),
    ),
    _mistake(
        "no margin for clocks that are 3 s apart",
        Budget(waits=1),
        invariants.ONE_OWNER,
        invariants.OWN_RECORD,
        clocks_ms=(1500, 0, -1500),
        tells_date=False,
        patches=((transition, "LEASE_MARGIN_MS", 0),),
    ),
)
