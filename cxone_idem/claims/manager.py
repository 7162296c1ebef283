"""The claim manager: claims, completes, releases and extends, one key or many alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.key_owners import KeyOwners
from cxone_idem.claims.registry import ClaimRegistry
from cxone_idem.claims.result import NO_RESULT, to_text
from cxone_idem.claims.session import Session
from cxone_idem.claims.waiting import WaitPolicy
from cxone_idem.config import Config
from cxone_idem.errors import (
    AttemptsExhaustedError,
    ClaimLostError,
    FingerprintMismatchError,
    IdemError,
    InProgressError,
    StoreError,
)
from cxone_idem.protocol import decisions
from cxone_idem.protocol.claim_attempt import ClaimAttempt, ClaimRequest, Reopening
from cxone_idem.protocol.clock import Clock
from cxone_idem.protocol.decisions import Change, Decision
from cxone_idem.protocol.held_claim import Extension, HeldClaim, OwnerWrite
from cxone_idem.protocol.store import NO_DEADLINE, Budget, Store
from cxone_idem.protocol.transition import Counters, Stamper, Terms
from cxone_idem.record import Record, State, partition_key
from cxone_idem.runtime import Runtime
from cxone_idem.text import quoted

ClaimOutcome = HeldClaim | AlreadyDone | IdemError
Errors = dict[HeldClaim, IdemError | None]

logger = logging.getLogger("cxone_idem")

# A claim made ahead of its work is extended first if more than a tenth of its lease has gone by.
_FRESH = 0.9


class ClaimManager:
    """The claims of one deduplicator on one store. Thread-safe."""

    def __init__(self, store: Store, config: Config, runtime: Runtime) -> None:
        self.config = config
        self.counters = Counters()
        self.key_owners = KeyOwners()
        self.runtime = runtime
        clock = Clock(runtime.now, runtime.monotonic)
        self._stamper = Stamper(clock, runtime.new_version, config.retention_seconds)
        self._session = Session(store, clock)
        self._registry = ClaimRegistry(clock, 0 if config.disabled else config.remember_seconds)

    def claim(self, request: ClaimRequest, invocation: Invocation) -> HeldClaim | AlreadyDone:
        """Claim a key, after waiting for another worker if need be; see `Deduplicator.claim`."""
        waiting = self.wait_policy(invocation)
        while True:
            (outcome,) = self.claim_all([request], invocation)
            pause_seconds = waiting.pause_seconds_after(outcome)
            if not pause_seconds:
                break
            self.runtime.sleep(pause_seconds)
        if isinstance(outcome, IdemError):
            raise outcome
        return outcome

    def wait_policy(self, invocation: Invocation) -> WaitPolicy:
        """Return how to wait for workers elsewhere from now on."""
        return WaitPolicy(self.config, invocation, self.runtime.random)

    def claim_all(
        self, requests: Sequence[ClaimRequest], invocation: Invocation
    ) -> list[ClaimOutcome]:
        """Claim different keys in as few requests as the store can.

        What `claim` would raise is an outcome, in the order of the keys.
        """
        budget = invocation.budget()
        by_key = {self._partition_key(request.key): request for request in requests}
        if self._registry.pending([*by_key]):
            self.record_pending(budget, of=[*by_key])
        # No decision is made over a claim of our own that may be stored.
        outcomes: dict[str, ClaimOutcome] = {**self._release_ambiguous([*by_key], budget)}
        for key, request in by_key.items():
            done = self._registry.done(key)
            if done:
                outcomes[key] = _of_done(request, done)
        terms = self._terms(invocation, budget)
        attempts = {
            key: ClaimAttempt(request, key, terms)
            for key, request in by_key.items()
            if key not in outcomes
        }
        self._session.run([*attempts.values()], budget)
        self._follow_up(attempts, budget)
        outcomes.update({key: self._outcome(attempt) for key, attempt in attempts.items()})
        return [outcomes[key] for key in by_key]

    def complete(self, held: HeldClaim, result: object = NO_RESULT) -> None:
        """Record that the work is done; see `Claimed.complete`."""
        with held.lock:
            if held.record.state is State.DONE:
                return
            _keep_result(held, result)
            error = self._complete([held])[held]
            if error:
                raise error
            if held.result is not None and held.result != held.record.result:
                logger.error("key %s was completed before, without this result", quoted(held.key))

    def complete_all(
        self, claims: Sequence[HeldClaim], budget: Budget | None = None
    ) -> list[IdemError | None]:
        """Complete claims in as few requests as the store can; return each one's error."""
        with _locked(claims):
            left = [held for held in claims if held.record.state is not State.DONE]
            errors = self._complete(left, budget)
        return [errors.get(held) for held in claims]

    def release(self, held: HeldClaim) -> None:
        """Free a key undone; see `Claimed.release`."""
        with held.lock:
            error = self._write([held], lambda _: decisions.released)[held]
            if not isinstance(error, StoreError):
                self._registry.drop(held)
            if error:
                raise error

    def release_all(
        self, claims: Sequence[HeldClaim], *, counts: bool, budget: Budget | None = None
    ) -> list[IdemError | None]:
        """Release claims in as few requests as the store can; return each one's error.

        An attempt that no work was started under does not count (`counts=False`). If it may still
        be stored, it is released before this process claims its key again.
        """
        change = decisions.released if counts else decisions.released_unstarted
        with _locked(claims):
            errors = self._write(claims, lambda _: change, budget)
        for held, error in errors.items():
            self._registry.drop(held)
            # A record that is gone may be one that is still on its way.
            if not counts and (isinstance(error, StoreError) or held.gone):
                self._registry.add_ambiguous(held)
            if held.record.state is State.DONE:  # by a transaction whose answer was lost
                self._registry.remember_done(held.record)
        return [errors[held] for held in claims]

    def release_record(self, key: str, record: Record) -> None:
        """Release the claim of another worker, if its record is still `record`.

        For a person who knows that the worker is dead. Raises as `release` does.
        """
        self.release(HeldClaim(key, record, self._terms(Invocation(None), NO_DEADLINE)))

    def extend(self, held: HeldClaim) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        with held.lock:
            extension = Extension(held)
            self._session.run([extension], held.terms.budget)
            if isinstance(extension.error, ClaimLostError):
                self._registry.drop(held)
            if extension.error:
                raise extension.error
            self._registry.renew(held)

    def renew_if_stale(self, held: HeldClaim) -> None:
        """Extend the lease if the work starts well after the claim; raises as `extend` does."""
        if held.lease_left_ms < _FRESH * held.terms.lease_ms():
            self.extend(held)

    def transaction_item(self, held: HeldClaim, result: object) -> Any:
        """Return the completion as an entry of a transaction; see `Claimed.transaction_item`."""
        with held.lock:
            _keep_result(held, result)
            write = OwnerWrite(held, held.as_done)
            if write.error:
                raise write.error
            put = write.next_write()
            item = self._session.transaction_item(put)
            held.may_have_landed(put.record)
            return item

    def held(self, key: str) -> HeldClaim:
        """Return the claim that this process holds on a key; raise `ClaimLostError` without one."""
        held = self._registry.get(self._partition_key(key))
        if held is None:
            raise ClaimLostError(key, "this process holds none; claim the key first")
        return held

    def open_claims(self) -> list[HeldClaim]:
        """Return the claims that this process works under now, for a heartbeat to extend."""
        return self._registry.open()

    def forget(self, key: str) -> None:
        """Make a key that is done free to claim; see `Deduplicator.forget`."""
        where = self._partition_key(key)
        for error in self.complete_all(self._registry.pending([where]), NO_DEADLINE):
            if isinstance(error, StoreError):  # what is done must be found done
                raise error
        reopening = Reopening(where, self._stamper)
        self._session.run([reopening], NO_DEADLINE)
        # Even after an error: an answer that never came may be that the key is free.
        self._registry.forget(where)
        self.key_owners.forget(key)
        if reopening.error:
            raise reopening.error
        existing = reopening.existing
        if existing and existing.state is State.IN_PROGRESS:
            left_ms = existing.lease_until_ms - reopening.earliest_ms
            if left_ms > 0:
                here = self._registry.is_held(existing)
                raise InProgressError(key, left_ms / 1000, existing, None, here)

    def add_pending(self, held: HeldClaim) -> None:
        """Remember work that is done, so as to record it as soon as possible."""
        self._registry.add_pending(held)

    def record_pending(self, budget: Budget = NO_DEADLINE, *, of: Sequence[str] = ()) -> None:
        """Try again to record work that is done, but whose completion the store did not take.

        All of it that is due, in one request; or of some partition keys only.
        """
        due = [held for held in self._registry.due() if not of or held.record.partition_key in of]
        errors = self.complete_all(due, budget._replace(attempts=1)) if due else []
        for held, error in zip(due, errors, strict=True):
            if error is None:
                logger.info("completion of key %s is recorded at last", quoted(held.key))
            elif isinstance(error, ClaimLostError):
                logger.error("completion of key %s came too late: %s", quoted(held.key), error)
            else:
                text = "completion of key %s is still not recorded: %s"
                logger.warning(text, quoted(held.key), error)

    def _partition_key(self, key: str) -> str:
        return partition_key(self.config.namespace, key)

    def _terms(self, invocation: Invocation, budget: Budget) -> Terms:
        seconds, attempts = self.config.lease_seconds, self.config.max_attempts
        return Terms(
            self._stamper, self.counters, budget, lambda: invocation.lease_ms(seconds), attempts
        )

    def _outcome(self, attempt: ClaimAttempt) -> ClaimOutcome:
        """Return what an attempt that is done means to its caller."""
        key, existing = attempt.request.key, attempt.existing
        if attempt.error:
            return attempt.error
        if attempt.held is not None:
            self._registry.add(attempt.held, attempt.earliest_ms)
            return attempt.held
        assert existing is not None  # noqa: S101 -- a record refused the key
        if attempt.decision is Decision.EXHAUSTED:
            return AttemptsExhaustedError(key, self.config.max_attempts, existing)
        if attempt.decision is Decision.IN_PROGRESS:
            left_seconds = (existing.lease_until_ms - attempt.earliest_ms) / 1000
            here = self._registry.is_held(existing)
            return InProgressError(key, left_seconds, existing, attempt.request.origin, here)
        if existing.state is State.DONE:
            self._registry.remember_done(existing)
        return _of_done(attempt.request, existing)

    def _follow_up(self, attempts: dict[str, ClaimAttempt], budget: Budget) -> None:
        """Release what may be stored of failed attempts; record what is pending."""
        for attempt in attempts.values():
            if attempt.error and attempt.held:
                self._registry.add_ambiguous(attempt.held)
        self._release_ambiguous([*attempts], budget)
        if any(not isinstance(one.error, StoreError) for one in attempts.values()):
            self.record_pending(budget)

    def _release_ambiguous(self, keys: Sequence[str], budget: Budget) -> dict[str, IdemError]:
        """Release once what may be stored of failed attempts; return the failures, by key."""
        ambiguous = self._registry.pop_ambiguous(keys)
        if not ambiguous:
            return {}
        errors = self.release_all(ambiguous, counts=False, budget=budget._replace(attempts=1))
        return {
            held.record.partition_key: error
            for held, error in zip(ambiguous, errors, strict=True)
            if isinstance(error, StoreError)
        }

    def _complete(self, claims: Sequence[HeldClaim], budget: Budget | None = None) -> Errors:
        errors = self._write(claims, lambda held: held.as_done, budget)
        for held, error in errors.items():
            if isinstance(error, StoreError):
                self._registry.add_pending(held, lasting=not error.retryable)
                continue
            self._registry.drop(held)
            if error is None or held.gone:  # the work is done, though its record may be gone
                self._registry.remember_done(held.done_record)
        return errors

    def _write(
        self,
        claims: Sequence[HeldClaim],
        change: Callable[[HeldClaim], Change],
        budget: Budget | None = None,
    ) -> Errors:
        """Change each claim, whose lock is held; return each one's error."""
        writes = {held: OwnerWrite(held, change(held)) for held in claims}
        if claims:
            self._session.run([*writes.values()], budget or claims[0].terms.budget)
        return {held: write.error for held, write in writes.items()}


def _of_done(request: ClaimRequest, record: Record) -> AlreadyDone | IdemError:
    """Return that the work of a key is done, or that the key is of an event of other content."""
    key, origin, fingerprint = request
    if decisions.has_other_fingerprint(fingerprint, record):
        return FingerprintMismatchError(key, record, origin)
    return AlreadyDone(key, record, origin)


def _keep_result(held: HeldClaim, result: object) -> None:
    """Keep a result for as long as the completion may have to be written again."""
    if result is not NO_RESULT:
        held.result = to_text(result, held.key)


@contextmanager
def _locked(claims: Sequence[HeldClaim]) -> Iterator[None]:
    """Hold the locks of many claims, in an order that is the same in every thread."""
    with ExitStack() as locks:
        for held in sorted(claims, key=lambda held: held.record.partition_key):
            locks.enter_context(held.lock)
        yield
