"""A key on its way to a claim, or from done to free: which write comes next."""

from __future__ import annotations

from typing import NamedTuple

from cxone_idem.errors import ClaimLostError, IdemError, StoreError
from cxone_idem.protocol import decisions
from cxone_idem.protocol.clock import ClockSample
from cxone_idem.protocol.decisions import Decision
from cxone_idem.protocol.held_claim import Extension, HeldClaim
from cxone_idem.protocol.store import ConditionalPut, PutResult
from cxone_idem.protocol.transition import Reply, Stamper, Terms
from cxone_idem.record import Origin, Record, State


class ClaimRequest(NamedTuple):
    """A key to claim, the delivery that wants it, and the fingerprint of its content."""

    key: str
    origin: Origin = Origin()
    fingerprint: str | None = None


class ClaimAttempt:
    """One key on its way to a claim, or to the record that is in the way."""

    def __init__(self, request: ClaimRequest, partition_key: str, terms: Terms) -> None:
        self.request = request
        self.done = False
        self.error: IdemError | None = None
        self.decision: Decision | None = None
        """The end of it: `OWNED`, or why the key is not ours; None after an error."""
        self.held: HeldClaim | None = None
        """The claim, if it is owned; if the attempt failed, one that may be stored."""
        self.existing: Record | None = None
        """The record in the way."""
        self.earliest_ms = 0
        """The least that the store's clock showed at the last reply."""
        self._partition_key = partition_key
        self._terms = terms
        self._needed_ms = 0
        self._extension: Extension | None = None

    def next_write(self) -> ConditionalPut:
        """Return the write that makes the key ours, given the record that is in the way."""
        if self._extension is not None:
            return self._extension.next_write()
        self._needed_ms = self._terms.lease_ms()
        stamp = self._terms.stamper.stamp(self._needed_ms)
        key, origin, fingerprint = self.request
        attempted = decisions.claimed(
            self._partition_key, self.existing, stamp, origin, fingerprint
        )
        self.held = HeldClaim(key, attempted, self._terms)
        return ConditionalPut(attempted, self.existing.version if self.existing else None)

    def on_reply(self, reply: Reply) -> None:
        """Decide on the reply; if that is no end of it, there is a next write."""
        self.earliest_ms = reply.sample.earliest_ms
        if self._extension is not None:
            self._extension.on_reply(reply)
            self._on_extension(self._extension)
        elif isinstance(reply.result, StoreError):
            self._fail(reply.result, may_be_stored=reply.result.outcome_unknown)
        elif self.held is not None:
            self._on_result(self.held, reply.result, reply.sample)

    def _on_result(self, held: HeldClaim, result: PutResult, sample: ClockSample) -> None:
        over, self.existing = self.existing, result.existing
        if decisions.is_own(held.record, result.existing):
            self._terms.counters.add("lost_answers")
        decision = Decision.OWNED
        if not result.written:
            decision = decisions.decide_refused_claim(
                held.record, result.existing, sample.earliest_ms, self._terms.max_attempts
            )
        if decision is Decision.TAKE_OVER:
            return
        if decision is not Decision.OWNED:
            self.decision, self.done, self.held = decision, True, None
            return
        if over is not None and over.state is State.IN_PROGRESS:
            self._terms.counters.add("taken_over")
        if sample.covers(held.record.lease_until_ms, self._needed_ms):
            self.decision, self.done = Decision.OWNED, True
        else:
            self._extension = Extension(held)

    def _on_extension(self, extension: Extension) -> None:
        if not extension.done:
            return
        self._extension = None
        if extension.error is None:
            self.decision, self.done = Decision.OWNED, True
        elif isinstance(extension.error, ClaimLostError):  # another worker has it: claim again
            self.existing = None
        else:
            self._fail(extension.error, may_be_stored=True)

    def _fail(self, error: IdemError, *, may_be_stored: bool) -> None:
        self.error, self.done = error, True
        self.held = self.held if may_be_stored else None


class Reopening:
    """A key that is done, made free to claim, without reading and without a claim on it."""

    def __init__(self, partition_key: str, stamper: Stamper) -> None:
        self._partition_key = partition_key
        self._stamper = stamper
        self.done = False
        self.error: IdemError | None = None
        self.existing: Record | None = None
        """The record that is stored, as far as is known."""
        self.earliest_ms = 0
        """The least that the store's clock showed at the last reply."""

    def next_write(self) -> ConditionalPut:
        """Return a write that no item lets through, to see the item; then the one that frees it.

        So this needs no permission to read, and leaves no item where there was none.
        """
        if self.existing is not None:
            freed = decisions.released(self.existing, self._stamper.stamp())
            return ConditionalPut(freed, self.existing.version)
        nothing = decisions.claimed(self._partition_key, None, self._stamper.stamp(), Origin())
        return ConditionalPut(nothing, self._stamper.new_version())

    def on_reply(self, reply: Reply) -> None:
        """Take the reply: whatever is not done, or not done any more, ends it."""
        self.earliest_ms = reply.sample.earliest_ms
        if isinstance(reply.result, StoreError):
            self.error, self.done = reply.result, True
            return
        self.existing = reply.result.existing
        self.done = self.existing is None or self.existing.state is not State.DONE
