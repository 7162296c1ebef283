"""Claiming: the loop that decides, write by write, whose work a key is."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING

from cxone_idem import protocol
from cxone_idem.config import Config
from cxone_idem.errors import ClaimLostError, IdemError, InProgressError, StoreError
from cxone_idem.events import checked_key
from cxone_idem.holdings import Holdings
from cxone_idem.invocation import Invocation, LambdaContext
from cxone_idem.outcome import AlreadyDone, Claimed
from cxone_idem.protocol import Verdict
from cxone_idem.record import Origin, Record, partition_key
from cxone_idem.store import AcceptEverything, Store
from cxone_idem.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.clock import Reading

logger = logging.getLogger("cxone_idem")


def _random_version() -> str:
    return uuid.uuid4().hex


class Claims:
    """The four verbs on one store. Thread-safe."""

    def __init__(
        self,
        store: Store,
        config: Config | None = None,
        *,
        now: Callable[[], float] = time.time,
        new_version: Callable[[], str] = _random_version,
    ) -> None:
        self.config = Config() if config is None else config
        if self.config.disabled:
            logger.warning("CXONE_IDEM_DISABLED is set: every event runs, duplicates included")
            store = AcceptEverything()
        self._writer = Writer(store, self.config.retention_seconds, now, new_version)
        self._holdings = Holdings()

    def claim(
        self, key: str, *, context: LambdaContext | None = None, origin: Origin | None = None
    ) -> Claimed | AlreadyDone:
        """Claim the work on `key`: one conditional write, whatever stands there.

        On Lambda pass its `context`: the lease then ends with the invocation. `origin` says whose
        delivery this is, for those who look at the record later.

        Raises `InProgressError` while another worker holds the key (retry after its
        `retry_after_seconds`), `KeyMissingError` if `key` is no non-blank text (never retry) and
        `StoreError` if the store cannot tell (its message says whether retrying helps).
        """
        where = partition_key(self.config.namespace, checked_key(key))
        done = self._done_but_unrecorded(key, where)
        if done:
            return AlreadyDone(key, done.record)
        outcome = self._acquire(key, where, Invocation(context), origin or Origin())
        self._holdings.record_unrecorded()
        return outcome

    def complete(self, key_or_claim: str | Claimed) -> None:
        """Record that the work is done; see `Claimed.complete`."""
        self._held(key_or_claim).complete()

    def release(self, key_or_claim: str | Claimed) -> None:
        """Give the key up undone; see `Claimed.release`."""
        self._held(key_or_claim).release()

    def extend(self, key_or_claim: str | Claimed) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        self._held(key_or_claim).extend()

    def _held(self, key_or_claim: str | Claimed) -> Claimed:
        if isinstance(key_or_claim, Claimed):
            return key_or_claim
        key = checked_key(key_or_claim)
        claim = self._holdings.get(partition_key(self.config.namespace, key))
        if claim is None:
            raise ClaimLostError(key, "this process holds none; claim the key first")
        return claim

    def _done_but_unrecorded(self, key: str, where: str) -> Claimed | None:
        """Return the claim under which this process did the work of a key without a record."""
        claim = self._holdings.unrecorded(where)
        if claim is None:
            return None
        try:
            claim.complete()
        except ClaimLostError:
            logger.exception("completion of key %r came too late", key)
            return None
        except StoreError:
            logger.warning("completion of key %r is still not recorded", key, exc_info=True)
        return claim

    def _acquire(
        self, key: str, where: str, invocation: Invocation, origin: Origin
    ) -> Claimed | AlreadyDone:
        def lease_ms() -> int:
            return invocation.lease_ms(self.config.lease_seconds)

        seen: Record | None = None
        while True:
            needed_ms = lease_ms()
            attempted = protocol.claimed(where, seen, self._writer.stamp(needed_ms), origin)
            claim = Claimed(key, attempted, self._writer, self._holdings, lease_ms)
            try:
                answer, reading = self._writer.put(attempted, seen.version if seen else None)
            except StoreError as error:
                if error.outcome_unknown:
                    _free(claim)
                raise
            seen = answer.seen
            verdict = (
                Verdict.OWNED
                if answer.written
                else protocol.judge_refused_claim(attempted, seen, reading.earliest_ms)
            )
            if verdict is Verdict.OWNED:
                if self._holds(claim, reading, needed_ms):
                    self._holdings.add(claim, reading.earliest_ms)
                    return claim
            elif seen is None or verdict is Verdict.TAKE_OVER:
                continue
            elif verdict is Verdict.DONE:
                return AlreadyDone(key, seen)
            else:
                raise InProgressError(key, (seen.lease_until_ms - reading.earliest_ms) / 1000)

    def _holds(self, claim: Claimed, reading: Reading, needed_ms: int) -> bool:
        """Make sure the lease is as long as was needed; False if the key was lost meanwhile."""
        if reading.proves(claim.record.lease_until_ms, needed_ms):
            return True
        logger.info("clock or store is slow: stamping the lease on key %r again", claim.key)
        try:
            claim.extend()
        except ClaimLostError:
            return False
        except StoreError:
            _free(claim)
            raise
        return True


def _free(claim: Claimed) -> None:
    """Try once to release a claim that may stand in the store, so that nobody waits it out."""
    try:
        claim.release()
    except IdemError as error:
        logger.debug("key %r was not released: %s", claim.key, error)
