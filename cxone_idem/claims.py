"""Claiming: the loop that decides, write by write, whose work a key is."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from cxone_idem.acquisition import Acquisition, Wanted
from cxone_idem.chance import random_share, random_version
from cxone_idem.claimed import NO_RESULT, Claimed, complete_all, release_all
from cxone_idem.config import Config
from cxone_idem.doers import Doers
from cxone_idem.errors import ClaimLostError, IdemError, InProgressError, StoreError, quoted
from cxone_idem.events import checked_key
from cxone_idem.forgetting import free_done
from cxone_idem.holdings import Holdings
from cxone_idem.invocation import Invocation
from cxone_idem.patience import Patience
from cxone_idem.record import partition_key
from cxone_idem.store import NO_DEADLINE, AcceptEverything, Budget, Store
from cxone_idem.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.already_done import AlreadyDone
    from cxone_idem.invocation import LambdaContext
    from cxone_idem.record import Origin

logger = logging.getLogger("cxone_idem")


class Claims:
    """The four verbs on one store. Thread-safe."""

    def __init__(  # noqa: PLR0913 -- all that this process does not decide for itself
        self,
        store: Store,
        config: Config | None = None,
        *,
        now: Callable[[], float] = time.time,
        new_version: Callable[[], str] = random_version,
        sleep: Callable[[float], object] = time.sleep,
        share: Callable[[], float] = random_share,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = Config() if config is None else config
        self.sleep = sleep
        self.doers = Doers()
        self._share = share
        if self.config.disabled:
            logger.warning("CXONE_IDEM_DISABLED is set: every event runs, duplicates included")
            store = AcceptEverything()
        self._writer = Writer(store, self.config.retention_seconds, now, new_version, monotonic)
        remember_seconds = 0 if self.config.disabled else self.config.remember_seconds
        self._holdings = Holdings(self._writer, remember_seconds)

    def claim(
        self,
        key: str,
        *,
        context: LambdaContext | None = None,
        origin: Origin | None = None,
        fingerprint: Any = None,
    ) -> Claimed | AlreadyDone:
        """Claim the work on `key`: one conditional write, whatever stands there.

        On Lambda pass its `context`: the lease then ends with the invocation. `origin` says whose
        delivery this is, for those who look at the record later and for the `cause` of duplicates.
        `fingerprint` is JSON content in which all events of the key agree, such as a conversation
        id; a short hash of it is stored.

        While another worker holds the key this waits for up to `CXONE_IDEM_WAIT_SECONDS`, asking
        again after growing pauses, and then raises `InProgressError` (retry after its
        `retry_after_seconds`). Raises `OtherContentError` if the key is taken by an event of
        another fingerprint, `AttemptsExhaustedError` beyond `CXONE_IDEM_MAX_ATTEMPTS` and
        `KeyMissingError` if `key` is no non-blank text (never retry these), and `StoreError` if the
        store cannot tell (its message says whether retrying helps).
        """
        return self.claim_one(Wanted.of(key, origin, fingerprint), Invocation(context))

    def claim_one(self, wanted: Wanted, invocation: Invocation) -> Claimed | AlreadyDone:
        """Claim what is wanted, after waiting for another worker if need be; see `claim`."""
        patience = self.patience(invocation)
        while True:
            (outcome,) = self.claim_all([wanted], invocation)
            if isinstance(outcome, InProgressError):
                pause_seconds = patience.next_pause_seconds(outcome.retry_after_seconds)
                if pause_seconds:
                    self.sleep(pause_seconds)
                    continue
            if isinstance(outcome, IdemError):
                raise outcome
            return outcome

    def patience(self, invocation: Invocation) -> Patience:
        """Return how long to wait for workers elsewhere from now on."""
        return Patience(self.config, invocation, self._share)

    def complete(self, key_or_claim: str | Claimed, *, result: object = NO_RESULT) -> None:
        """Record that the work is done, with its result if one is given; see `Claimed.complete`."""
        self._held(key_or_claim).complete(result=result)

    def release(self, key_or_claim: str | Claimed) -> None:
        """Give the key up undone; see `Claimed.release`."""
        self._held(key_or_claim).release()

    def extend(self, key_or_claim: str | Claimed) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        self._held(key_or_claim).extend()

    def open_claims(self) -> list[Claimed]:
        """Return the claims that this process works under now, for a heartbeat to extend."""
        return self._holdings.open()

    def forget(self, key: str) -> None:
        """Make a key that is done free to claim, so that its event can run again.

        Then send the event, or redrive it. The record keeps its generation, and one more attempt is
        allowed whatever `CXONE_IDEM_MAX_ATTEMPTS` says. A key that is free already stays as it is.
        Other processes that saw the key done may still drop its events, for up to
        `CXONE_IDEM_REMEMBER_SECONDS`.

        Raises `InProgressError` while a worker has the key (retrying helps, after its
        `retry_after_seconds`), `KeyMissingError` if `key` is no non-blank text, and `StoreError` if
        the store cannot say (its message says whether retrying helps).
        """
        where = partition_key(self.config.namespace, checked_key(key))
        self._record_first(where)
        try:
            free_done(key, where, self._writer, self._holdings)
        finally:  # an answer that never came may be that the key is free
            self._holdings.forget(where)
        self.doers.forget(key)

    def _record_first(self, where: str) -> None:
        """Record work of this process that is done, so that it is found done."""
        pending = self._holdings.unrecorded(where)
        errors = complete_all([pending], self._writer, NO_DEADLINE) if pending else []
        for error in errors:
            if isinstance(error, StoreError):
                raise error

    def record_unrecorded(self, budget: Budget = NO_DEADLINE, *, of: Sequence[str] = ()) -> None:
        """Try again to record work that is done, but whose completion the store did not take.

        All of it that is due, in one request; or of some partition keys only.
        """
        due = [
            claim for claim in self._holdings.due() if not of or claim.record.partition_key in of
        ]
        errors = complete_all(due, self._writer, budget._replace(attempts=1))
        for claim, error in zip(due, errors, strict=True):
            if error is None:
                logger.info("completion of key %s is recorded at last", quoted(claim.key))
            elif isinstance(error, ClaimLostError):
                logger.error("completion of key %s came too late: %s", quoted(claim.key), error)
            else:
                text = "completion of key %s is still not recorded: %s"
                logger.warning(text, quoted(claim.key), error)

    def remember_unrecorded(self, claim: Claimed) -> None:
        """Keep in mind work that is done, so as to record it at the next chance."""
        self._holdings.remember_unrecorded(claim)

    def _held(self, key_or_claim: str | Claimed) -> Claimed:
        if isinstance(key_or_claim, Claimed):
            return key_or_claim
        key = checked_key(key_or_claim)
        claim = self._holdings.get(partition_key(self.config.namespace, key))
        if claim is None:
            raise ClaimLostError(key, "this process holds none; claim the key first")
        return claim

    def claim_all(
        self, wanted: Sequence[Wanted], invocation: Invocation
    ) -> list[Claimed | AlreadyDone | IdemError]:
        """Claim many different keys in as few requests as the store can.

        What `claim` would raise stands in the answer, in the order of the keys.
        """
        return self.decide(self.start(wanted, invocation))

    def start(self, wanted: Sequence[Wanted], invocation: Invocation) -> list[Acquisition]:
        """Send the first write for each of many different keys; `decide` tells how they ended."""
        keys = [partition_key(self.config.namespace, checked_key(one.key)) for one in wanted]
        pending = [key for key in keys if self._holdings.unrecorded(key)]
        if pending:
            self.record_unrecorded(invocation.budget(), of=pending)
        ways = [self._way(one, invocation) for one in wanted]
        self._release_first(ways)
        self._send([way for way in ways if way.outcome is None])
        return ways

    def decide(self, ways: Sequence[Acquisition]) -> list[Claimed | AlreadyDone | IdemError]:
        """Bring each way to its outcome, in as few requests as the store can."""
        while walking := [way for way in ways if way.outcome is None]:
            self._send(walking)
        return [way.outcome for way in ways if way.outcome is not None]

    def _send(self, ways: Sequence[Acquisition]) -> None:
        if not ways:
            return
        replies = self._writer.put_many([way.next_write() for way in ways], ways[0].budget)
        for way, reply in zip(ways, replies, strict=True):
            way.take(*reply)
        self._follow_up(ways)

    def _follow_up(self, ways: Sequence[Acquisition]) -> None:
        """Do what a request for these ways makes possible, or leaves to be done."""
        in_doubt = [way.in_doubt for way in ways if way.in_doubt]
        if in_doubt:
            self._free(in_doubt)
        if any(not isinstance(way.outcome, StoreError) for way in ways):
            self.record_unrecorded(ways[0].budget)

    def complete_all(
        self, claims: Sequence[Claimed], beside: Sequence[Acquisition] = ()
    ) -> list[IdemError | None]:
        """Complete many claims in as few requests as the store can; return each one's error.

        The next writes of the ways `beside`, which go to other keys, go along.
        """
        budget = claims[0].budget if claims else NO_DEADLINE
        errors = complete_all(claims, self._writer, budget, beside)
        self._follow_up(beside)
        return errors

    def release_all(self, claims: Sequence[Claimed], *, begun: bool) -> list[IdemError | None]:
        """Release many claims in as few requests as the store can; return each one's error.

        What was not `begun` under any of them was no attempt.
        """
        budget = claims[0].budget if claims else NO_DEADLINE
        return release_all(claims, self._writer, budget, begun=begun)

    def _way(self, wanted: Wanted, invocation: Invocation) -> Acquisition:
        """Return the way to a claim on a key; at its end already if this process knows it done."""
        where = partition_key(self.config.namespace, checked_key(wanted.key))
        way = Acquisition(
            wanted,
            where,
            self._writer,
            self._holdings,
            lambda: invocation.lease_ms(self.config.lease_seconds),
            invocation.budget(),
            self.config.max_attempts,
        )
        unrecorded = self._holdings.unrecorded(where)
        done = unrecorded.done_record if unrecorded else self._holdings.done(where)
        if done:
            way.already_done(done)
        return way

    def _release_first(self, ways: Sequence[Acquisition]) -> None:
        """Release what may be stored of claims that failed: nothing is decided over one's own."""
        in_doubt = self._holdings.take_in_doubt([way.where for way in ways])
        if not in_doubt:
            return
        budget = ways[0].budget._replace(attempts=1)
        errors = release_all(in_doubt, self._writer, budget, begun=False)
        failed = {
            claim.record.partition_key: error
            for claim, error in zip(in_doubt, errors, strict=True)
            if isinstance(error, StoreError)
        }
        for way in ways:
            way.outcome = way.outcome or failed.get(way.where)

    def _free(self, claims: list[Claimed]) -> None:
        """Try once to release claims that may be stored, so that nobody waits them out."""
        budget = claims[0].budget._replace(attempts=1)
        errors = release_all(claims, self._writer, budget, begun=False)
        for claim, error in zip(claims, errors, strict=True):
            if error:
                logger.debug("key %s was not released: %s", quoted(claim.key), error)
