"""The record of a claim as its owner knows it, and every write the owner makes to it."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from cxone_idem import protocol
from cxone_idem.errors import ClaimLostError, IdemError, StoreError
from cxone_idem.record import Record, State
from cxone_idem.store import Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.clock import Reading
    from cxone_idem.protocol import Stamp
    from cxone_idem.store import Answer, Budget
    from cxone_idem.writer import Writer

    Change = Callable[[Record, Stamp], Record]


class HeldRecord:
    """What this process last wrote under a claim. Hold `lock` around `write`."""

    def __init__(self, key: str, record: Record, writer: Writer, budget: Budget) -> None:
        self.key = key
        self.record = record
        self.lock = Lock()
        self.budget = budget
        """How long a write may take: as long as the invocation that claimed."""
        self._writer = writer
        self.gone = False
        """Somebody deleted the record under this claim."""
        # Writes whose answer never came: any of them may be what stands in the store.
        self._unanswered: list[Record] = []
        # Those of them that were sent here, and not in a transaction of the user's.
        self._lost: set[str] = set()

    def write(self, change: Change, lease_ms: int = 0) -> Reading:
        """Write the record as `change` makes it, against the version this claim wrote last."""
        while True:
            write = self.next_write(change, lease_ms)
            ((answer, reading),) = self._writer.put_many([write], self.budget)
            if self.take(write.record, answer):
                return reading

    def next_write(self, change: Change, lease_ms: int = 0) -> Write:
        """Return the write that makes the record as `change` says."""
        if self.record.state is not State.IN_PROGRESS:
            raise ClaimLostError(self.key, f"this claim is {self.record.state.value} already")
        return Write(change(self.record, self._writer.stamp(lease_ms)), self.record.version)

    def take(self, wanted: Record, answer: Answer | StoreError) -> bool:
        """Take in the answer to a write; False if it has to be made again on an earlier one."""
        if isinstance(answer, StoreError):
            if answer.outcome_unknown:
                self.may_have_landed(wanted)
                self._lost.add(wanted.version)
            raise answer
        if answer.written or protocol.is_own(wanted, answer.seen):
            self.record = wanted
            return True
        self._adopt(answer.seen)
        return self.record.state is wanted.state is not State.IN_PROGRESS

    def may_have_landed(self, wanted: Record) -> None:
        """Remember a write whose answer does not come here, so as to recognise it."""
        self._unanswered.append(wanted)

    def _adopt(self, seen: Record | None) -> None:
        """Go on from an earlier write of ours that landed unanswered; raise if `seen` is none."""
        for earlier in self._unanswered:
            if protocol.is_own(earlier, seen):
                self._unanswered.remove(earlier)
                if earlier.version in self._lost:
                    self._writer.tally.lost_answer()
                self.record = earlier
                return
        self.gone = seen is None
        raise ClaimLostError(self.key, _loss(seen))


class Companion(Protocol):
    """Whoever has a write of its own to send along."""

    def next_write(self) -> Write:
        """Return the write."""

    def take(self, answer: Answer | StoreError, reading: Reading) -> None:
        """Take in the answer to it."""


def write_all(
    held: Sequence[HeldRecord],
    changes: Sequence[Change],
    writer: Writer,
    budget: Budget,
    beside: Sequence[Companion] = (),
) -> list[IdemError | None]:
    """Change each record in as few requests as the store can; return each one's error, or None.

    The writes of those `beside`, of other keys, go along in the same requests.
    """
    with ExitStack() as locks:
        for one in held:
            locks.enter_context(one.lock)
        plans = [_plan(one, change) for one, change in zip(held, changes, strict=True)]
        writes = [plan for plan in plans if isinstance(plan, Write)]
        replies = iter(writer.put_many([*writes, *(one.next_write() for one in beside)], budget))
        errors = [
            _finish(one, plan, next(replies).answer, change) if isinstance(plan, Write) else plan
            for one, plan, change in zip(held, plans, changes, strict=True)
        ]
        for companion, reply in zip(beside, replies, strict=True):
            companion.take(*reply)
        return errors


def _plan(held: HeldRecord, change: Change) -> Write | IdemError:
    try:
        return held.next_write(change)
    except IdemError as error:
        return error


def _finish(
    held: HeldRecord, write: Write, answer: Answer | StoreError, change: Change
) -> IdemError | None:
    try:
        if not held.take(write.record, answer):
            held.write(change)
    except IdemError as error:
        return error
    return None


def _loss(seen: Record | None) -> str:
    if seen is None:
        return "its record is gone from the table; nothing was changed"
    return (
        f"its lease ended and generation {seen.generation} holds the key ({seen.state.value});"
        " nothing was changed"
    )
