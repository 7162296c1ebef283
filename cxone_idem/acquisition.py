"""One key's way to a claim: which write comes next, and what its answer means."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem import protocol
from cxone_idem.already_done import AlreadyDone
from cxone_idem.claimed import Claimed
from cxone_idem.errors import (
    AttemptsExhaustedError,
    ClaimLostError,
    IdemError,
    InProgressError,
    OtherContentError,
    StoreError,
    quoted,
)
from cxone_idem.events import fingerprint_of
from cxone_idem.protocol import Verdict
from cxone_idem.record import Origin, Record, State
from cxone_idem.store import Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.clock import Reading
    from cxone_idem.holdings import Holdings
    from cxone_idem.store import Answer, Budget
    from cxone_idem.writer import Writer

logger = logging.getLogger("cxone_idem")


class Wanted(NamedTuple):
    """A key to claim, for whose delivery, and what its events agree in."""

    key: str
    origin: Origin = Origin()
    fingerprint: str | None = None

    @classmethod
    def of(cls, key: str, origin: Origin | None, content: Any) -> Wanted:
        """Return what a caller wants whose events of a key agree in `content`, if it is given."""
        return cls(key, origin or Origin(), None if content is None else fingerprint_of(content))


class Acquisition:
    """Drives one key by `next_write` and `take` until `outcome` stands.

    It does no I/O of its own but the rare ones that follow a decision, so that one key alone and
    many keys in one request go the same way.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- what is wanted, and what this process writes with
        self,
        wanted: Wanted,
        where: str,
        writer: Writer,
        holdings: Holdings,
        lease_ms: Callable[[], int],
        budget: Budget,
        max_attempts: int,
    ) -> None:
        self.key = wanted.key
        self.where = where
        self.outcome: Claimed | AlreadyDone | IdemError | None = None
        self.in_doubt: Claimed | None = None
        """A claim that may stand in the store although it failed; to be released once."""
        self._wanted = wanted
        self._writer = writer
        self._holdings = holdings
        self._lease_ms = lease_ms
        self.budget = budget
        self._max_attempts = max_attempts
        self._needed_ms = 0
        self._told = True
        self._seen: Record | None = None
        self._claim: Claimed | None = None

    def next_write(self) -> Write:
        """Return the write that would make the key ours, given what has been seen.

        After a refusal that did not say what stands there it is the same record over its own
        version: that succeeds if it stands there itself, and else comes back with what does.
        """
        if self._claim is not None and not self._told:
            return Write(self._claim.record, self._claim.record.version)
        self._needed_ms = self._lease_ms()
        stamp = self._writer.stamp(self._needed_ms)
        _, origin, fingerprint = self._wanted
        attempted = protocol.claimed(self.where, self._seen, stamp, origin, fingerprint)
        self._claim = Claimed(
            self.key, attempted, self._writer, self._holdings, self._lease_ms, self.budget
        )
        return Write(attempted, self._seen.version if self._seen else None)

    def take(self, answer: Answer | StoreError, reading: Reading) -> None:
        """Decide on the answer to the last write; without an outcome there is a next one."""
        claim = self._claim
        if claim is None:
            return
        if isinstance(answer, StoreError):
            self.in_doubt = claim if answer.outcome_unknown else None
            self.outcome = answer
            return
        self._told = answer.told
        if not answer.told:
            return
        over = self._seen
        seen = self._seen = answer.seen
        verdict = (
            Verdict.OWNED
            if answer.written
            else protocol.judge_refused_claim(
                claim.record, seen, reading.earliest_ms, self._max_attempts
            )
        )
        if verdict is Verdict.OWNED:
            if over is not None and over.state is State.IN_PROGRESS:
                self._writer.tally.takeover()
            self._own(claim, reading)
        elif seen is None or verdict is Verdict.TAKE_OVER:
            pass
        elif verdict is Verdict.EXHAUSTED:
            self.outcome = AttemptsExhaustedError(self.key, self._max_attempts, seen)
        elif verdict is Verdict.IN_PROGRESS:
            retry_after_ms = seen.lease_until_ms - reading.earliest_ms
            self.outcome = InProgressError(
                self.key,
                retry_after_ms / 1000,
                seen,
                self._wanted.origin,
                self._holdings.is_held(seen),
            )
        else:
            if seen.state is State.DONE:
                self._holdings.remember_done(seen)
            self.already_done(seen)

    def already_done(self, record: Record) -> None:
        """End here, as `record` is known: its work is done, or it is of another event."""
        _, origin, fingerprint = self._wanted
        if protocol.is_other_content(fingerprint, record):
            self.outcome = OtherContentError(self.key, record, origin)
        else:
            self.outcome = AlreadyDone(self.key, record, origin)

    def _own(self, claim: Claimed, reading: Reading) -> None:
        """Make sure that the lease is as long as was needed; if the key was lost, go on."""
        if not reading.proves(claim.record.lease_until_ms, self._needed_ms):
            logger.info(
                "clock or store is slow: stamping the lease on key %s again", quoted(claim.key)
            )
            try:
                claim.extend()
            except ClaimLostError:
                return
            except StoreError as error:
                self.in_doubt = claim
                self.outcome = error
                return
        self._holdings.add(claim, reading.earliest_ms)
        self.outcome = claim
