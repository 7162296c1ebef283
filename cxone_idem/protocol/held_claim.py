"""A claim that this process holds, and every write its owner makes under it."""

from __future__ import annotations

from threading import Lock

from cxone_idem.errors import ClaimLostError, IdemError, StoreError
from cxone_idem.protocol import decisions
from cxone_idem.protocol.clock import Moment
from cxone_idem.protocol.decisions import Change, Stamp
from cxone_idem.protocol.store import ConditionalPut, PutResult
from cxone_idem.protocol.transition import Reply, Terms
from cxone_idem.record import Record, State
from cxone_idem.text import quoted

# A lease is stamped again if the reply does not prove it long enough: this machine's clock is slow,
# or the round trip was. The second stamp knows both, a third is for a trip slower still.
_STAMPS_MAX = 3


class HeldClaim:
    """The record this process last wrote under a claim. Hold `lock` while a transition runs."""

    def __init__(self, key: str, record: Record, terms: Terms) -> None:
        self.key = key
        self.record = record
        self.terms = terms
        self.lock = Lock()
        self.result: str | None = None
        """The result that a completion stores, as JSON."""
        self.gone = False
        """The record under this claim was deleted."""
        self.promise_lease(terms.lease_ms(), terms.stamper.clock.moment())
        # Writes whose answer never came, by version: any of them may be the one that is stored.
        # True are those that were sent here, and not in a transaction of the user's.
        self._unanswered: dict[str, tuple[Record, bool]] = {}

    def promise_lease(self, lease_ms: int, since: Moment) -> None:
        """Note that the lease lasts `lease_ms` from `since`."""
        self._promised_ms, self._promised_since = lease_ms, since

    @property
    def lease_left_ms(self) -> int:
        """The time for which the lease surely still lasts."""
        return self._promised_ms - self.terms.stamper.clock.elapsed_ms(self._promised_since)

    @property
    def done_record(self) -> Record:
        """The record once the work is done, whether or not the store has it by now."""
        done = self.record.state is State.DONE
        return self.record if done else self.as_done(self.record, self.terms.stamper.stamp())

    def as_done(self, record: Record, stamp: Stamp) -> Record:
        """Return `record` as the completion of this claim writes it."""
        return decisions.completed(record, stamp, self.result)

    def settled_error(self) -> ClaimLostError | None:
        """Return an error if this claim is settled, so that nothing can be written under it."""
        if self.record.state is State.IN_PROGRESS:
            return None
        to_do = (
            "free its key with forget()" if self.record.state is State.DONE else "claim it again"
        )
        state = self.record.state.value
        return ClaimLostError(self.key, f"this claim is {state} already: to work on it, {to_do}")

    def may_have_landed(self, attempted: Record, *, sent_here: bool = False) -> None:
        """Remember a write whose answer does not come, so as to recognise it."""
        self._unanswered[attempted.version] = attempted, sent_here

    def on_result(self, attempted: Record, result: PutResult | StoreError) -> bool:
        """Take the result of a write; return False if it has to be made again on an earlier one.

        Raises the store's failure, and `ClaimLostError` if the claim is another worker's now.
        """
        if isinstance(result, StoreError):
            if result.outcome_unknown:
                self.may_have_landed(attempted, sent_here=True)
            raise result
        recognised = decisions.is_own(attempted, result.existing)
        if recognised:
            self.terms.counters.add("lost_answers")
        if result.written or recognised:
            self.record = attempted
            return True
        self._adopt(result.existing)
        return self.record.state is attempted.state is not State.IN_PROGRESS

    def _adopt(self, existing: Record | None) -> None:
        """Go on from an earlier unanswered write of ours if it is the one that is stored."""
        found = self._unanswered.pop(existing.version, None) if existing else None
        if found is None:
            self.gone = existing is None
            raise ClaimLostError(self.key, _loss(existing))
        self.record, sent_here = found
        if sent_here:
            self.terms.counters.add("lost_answers")


class OwnerWrite:
    """One change of a held claim: its completion, its release."""

    def __init__(self, held: HeldClaim, change: Change, lease_ms: int = 0) -> None:
        self._held = held
        self._change = change
        self._lease_ms = lease_ms
        self._attempted = held.record
        self.error: IdemError | None = held.settled_error()
        self.done = self.error is not None

    def next_write(self) -> ConditionalPut:
        """Return the changed record, over the version this claim wrote last."""
        held = self._held
        self._attempted = self._change(held.record, held.terms.stamper.stamp(self._lease_ms))
        return ConditionalPut(self._attempted, held.record.version)

    def on_reply(self, reply: Reply) -> None:
        """Take the reply; if an earlier write of ours is stored, change that one."""
        try:
            self.done = self._held.on_result(self._attempted, reply.result)
        except IdemError as error:
            self.error = error
        if self.done and self._attempted.state is State.RELEASED:
            self._held.terms.counters.add("released")
        elif not self.done:
            self.error = self.error or self._held.settled_error()
            self.done = self.error is not None


class Extension:
    """A longer lease. It is stamped again until a reply proves that it holds."""

    def __init__(self, held: HeldClaim) -> None:
        self._held = held
        self._lease_ms = 0
        self._since = held.terms.stamper.clock.moment()
        self._write = OwnerWrite(held, decisions.extended)
        self._stamps = 0
        self.error: IdemError | None = self._write.error
        self.done = self._write.done

    def next_write(self) -> ConditionalPut:
        """Return the record with a lease that begins now."""
        self._lease_ms = self._held.terms.lease_ms()
        self._since = self._held.terms.stamper.clock.moment()
        self._write = OwnerWrite(self._held, decisions.extended, self._lease_ms)
        return self._write.next_write()

    def on_reply(self, reply: Reply) -> None:
        """Take the reply; without proof the lease is stamped once more."""
        self._write.on_reply(reply)
        if not self._write.done:
            return
        self._stamps += 1
        self.error = self._write.error
        covered = reply.sample.covers(self._held.record.lease_until_ms, self._lease_ms)
        self.done = self.error is not None or covered or self._stamps == _STAMPS_MAX
        if self.error is None and covered:
            self._held.promise_lease(self._lease_ms, self._since)
        elif self.error is None and self.done:
            problem = (
                f"no lease on key {quoted(self._held.key)} could be secured: DynamoDB answered"
                " slower each time; retrying helps once it answers evenly"
            )
            self.error = StoreError(problem, "", "extend")


def _loss(existing: Record | None) -> str:
    if existing is None:
        return "its record is gone from the table; nothing was changed"
    return (
        f"its lease ended and generation {existing.generation} holds the key"
        f" ({existing.state.value}); nothing was changed: a longer lease, or extend(), prevents it"
    )
