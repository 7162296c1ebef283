"""One key's way to a claim: which write comes next, and what its answer means."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cxone_idem import protocol
from cxone_idem.claimed import AlreadyDone, Claimed
from cxone_idem.errors import ClaimLostError, IdemError, InProgressError, StoreError
from cxone_idem.protocol import Verdict
from cxone_idem.store import Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.clock import Reading
    from cxone_idem.holdings import Holdings
    from cxone_idem.record import Origin, Record
    from cxone_idem.store import Answer
    from cxone_idem.writer import Writer

logger = logging.getLogger("cxone_idem")


class Acquisition:
    """Drives one key by `next_write` and `take` until `outcome` stands.

    It does no I/O of its own but the rare ones that follow a decision, so that one key alone and
    many keys in one request go the same way.
    """

    def __init__(  # noqa: PLR0913, PLR0917 -- the key, its origin, and what this process writes with
        self,
        key: str,
        where: str,
        origin: Origin,
        writer: Writer,
        holdings: Holdings,
        lease_ms: Callable[[], int],
    ) -> None:
        self.key = key
        self.where = where
        self.outcome: Claimed | AlreadyDone | IdemError | None = None
        self.in_doubt: Claimed | None = None
        """A claim that may stand in the store although it failed; to be released once."""
        self._origin = origin
        self._writer = writer
        self._holdings = holdings
        self._lease_ms = lease_ms
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
        attempted = protocol.claimed(self.where, self._seen, stamp, self._origin)
        self._claim = Claimed(self.key, attempted, self._writer, self._holdings, self._lease_ms)
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
        seen = self._seen = answer.seen
        verdict = (
            Verdict.OWNED
            if answer.written
            else protocol.judge_refused_claim(claim.record, seen, reading.earliest_ms)
        )
        if verdict is Verdict.OWNED:
            self._own(claim, reading)
        elif seen is None or verdict is Verdict.TAKE_OVER:
            pass
        elif verdict is Verdict.DONE:
            self._holdings.remember_done(seen)
            self.outcome = AlreadyDone(self.key, seen)
        else:
            retry_after_ms = seen.lease_until_ms - reading.earliest_ms
            self.outcome = InProgressError(self.key, retry_after_ms / 1000, seen)

    def _own(self, claim: Claimed, reading: Reading) -> None:
        """Make sure that the lease is as long as was needed; if the key was lost, go on."""
        if not reading.proves(claim.record.lease_until_ms, self._needed_ms):
            logger.info("clock or store is slow: stamping the lease on key %r again", claim.key)
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
