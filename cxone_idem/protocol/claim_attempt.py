"""One key on its way to a claim: which write comes next, and what the reply means."""

from __future__ import annotations

from typing import NamedTuple

from cxone_idem.errors import ClaimLostError, IdemError, StoreError
from cxone_idem.protocol import decisions
from cxone_idem.protocol.clock import ClockSample
from cxone_idem.protocol.decisions import Decision
from cxone_idem.protocol.held_claim import Extension, HeldClaim
from cxone_idem.protocol.store import ConditionalPut, PutResult
from cxone_idem.protocol.transition import Reply, Terms
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
        self.sample: ClockSample | None = None
        """What the last reply proves about the store's clock."""
        self._partition_key = partition_key
        self._terms = terms
        self._needed_ms = 0
        self._extension: Extension | None = None

    def next_write(self) -> ConditionalPut:
        """Return the write that makes the key ours, given the record that is in the way."""
        if self._extension is not None:
            return self._extension.next_write()
        self._needed_ms = self._terms.lease_ms()
        attempted = decisions.claimed(
            self._partition_key,
            self.existing,
            self._terms.stamper.stamp(self._needed_ms),
            self.request.origin,
            self.request.fingerprint,
        )
        self.held = HeldClaim(self.request.key, attempted, self._terms)
        return ConditionalPut(attempted, self.existing.version if self.existing else None)

    def on_reply(self, reply: Reply) -> None:
        """Decide on the reply; if that is no end of it, there is a next write."""
        self.sample = reply.sample
        if self._extension is not None:
            self._extension.on_reply(reply)
            self._on_extension(self._extension)
        elif isinstance(reply.result, StoreError):
            self._fail(reply.result, may_be_stored=reply.result.outcome_unknown)
        else:
            self._on_result(reply.result, reply.sample)

    def _on_result(self, result: PutResult, sample: ClockSample) -> None:
        held, over, existing = self.held, self.existing, result.existing
        if held is None:  # no write, no result
            return
        self.existing = existing
        decision = Decision.OWNED
        if not result.written:
            self._terms.counters.add(lost_answers=decisions.is_own(held.record, existing))
            decision = decisions.decide_refused_claim(
                held.record, existing, sample.earliest_ms, self._terms.max_attempts
            )
        if decision is Decision.TAKE_OVER:
            return
        if decision is not Decision.OWNED:
            self._end(decision)
            return
        if over is not None and over.state is State.IN_PROGRESS:
            self._terms.counters.add(taken_over=1)
        if sample.covers(held.record.lease_until_ms, self._needed_ms):
            self._end(Decision.OWNED)
        else:
            self._extension = Extension(held)

    def _on_extension(self, extension: Extension) -> None:
        if not extension.done:
            return
        self._extension = None
        if extension.error is None:
            self._end(Decision.OWNED)
        elif isinstance(extension.error, ClaimLostError):  # another worker has it: claim again
            self.existing = None
        else:
            self._fail(extension.error, may_be_stored=True)

    def _end(self, decision: Decision) -> None:
        self.decision, self.done = decision, True
        if decision is not Decision.OWNED:
            self.held = None

    def _fail(self, error: IdemError, *, may_be_stored: bool) -> None:
        self.error, self.done = error, True
        if not may_be_stored:
            self.held = None
