"""The front door: every verb on one object, and the one that the environment describes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any

from cxone_idem.claims.already_done import AlreadyDone, no_claim_text
from cxone_idem.claims.claim import Claimed
from cxone_idem.claims.invocation import Invocation, LambdaContext
from cxone_idem.claims.manager import ClaimManager
from cxone_idem.claims.result import NO_RESULT
from cxone_idem.config import Config
from cxone_idem.errors import require
from cxone_idem.events.fingerprint import fingerprint_of
from cxone_idem.events.key import checked_key
from cxone_idem.protocol.claim_attempt import ClaimRequest
from cxone_idem.protocol.store import Store, checked_store
from cxone_idem.record import Origin
from cxone_idem.runtime import SYSTEM, Runtime
from cxone_idem.sqs.batch import BatchProcessor, BatchResponse, Event, ProcessEvent, batch_response
from cxone_idem.sqs.decoding import Decode
from cxone_idem.sqs.outcome import Outcome
from cxone_idem.stores.memory import NullStore

Make = Callable[[Callable[[Outcome], object] | None, Decode | None], "Deduplicator"]

logger = logging.getLogger("cxone_idem")


class Deduplicator:
    """Claims on one store, and the SQS batch adapter on top. Make one for each process; keep it.

    On Lambda make it outside the handler: its connection then serves every invocation.
    """

    def __init__(  # noqa: PLR0913 -- what a process sets once, each by its name
        self,
        store: Store,
        config: Config | None = None,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        decode: Decode | None = None,
        now: Callable[[], float] | None = None,
        runtime: Runtime = SYSTEM,
    ) -> None:
        """Work on `store`. `on_outcome` is called once for each message of a settled batch.

        It can change no outcome: what it raises is logged. `decode` finds the event of a message
        whose body is not the event itself, as `process_batch` says. `runtime` is for tests, and
        `now` (epoch seconds) is short for a runtime with that clock.
        """
        self.config = Config() if config is None else config
        fix = "make one, as Config(table='events')"
        require(isinstance(self.config, Config), "config must be a Config", config, fix)
        if now is not None:
            runtime = replace(runtime, now=now)
        if self.config.disabled:
            logger.warning("CXONE_IDEM_DISABLED is set: every event runs, duplicates included")
            store = NullStore()
        self.claims = ClaimManager(checked_store(store), self.config, runtime)
        self.batches = BatchProcessor(self.claims, on_outcome, runtime, decode)

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        client: Any = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        decode: Decode | None = None,
    ) -> Deduplicator:
        """Make a deduplicator on DynamoDB as the `CXONE_IDEM_*` variables say.

        `client` is a DynamoDB client of your own, with time-outs and retries of its own; by default
        one is made whose time-outs suit a Lambda function. On Lambda this opens the connection, by
        a request that writes nothing, unless `CXONE_IDEM_WARM_UP` is `false` or the function is
        restored from a snapshot, in which a connection would be dead.

        Raises `ConfigError`, which lists every wrong variable.
        """
        if _process.make is not None:
            return _process.make(on_outcome, decode)
        config = Config.from_environ(environ)
        store = _store(config, client)
        deduplicator = cls(store, config, on_outcome=on_outcome, decode=decode)
        deduplicator.batches.prepare()
        return deduplicator

    def claim(
        self,
        key: str,
        *,
        context: LambdaContext | None = None,
        origin: Origin | None = None,
        fingerprint: Any = None,
    ) -> Claimed | AlreadyDone:
        """Claim the work on `key`: one conditional write, whatever is stored.

        On Lambda pass its `context`: the lease then ends with the invocation. `origin` names the
        delivery, for those who look at the record later and for the `cause` of duplicates.
        `fingerprint` is JSON content that all events of the key share, such as a conversation id; a
        short hash of it is stored.

        While another worker holds the key this waits for up to `CXONE_IDEM_WAIT_SECONDS`, asking
        again after growing pauses, and then raises `InProgressError` (retry after its
        `retry_after_seconds`). Raises `FingerprintMismatchError` if an event of another fingerprint
        has the key, `AttemptsExhaustedError` beyond `CXONE_IDEM_MAX_ATTEMPTS` and `KeyMissingError`
        if `key` is no non-blank text (never retry these), and `StoreError` if the store cannot say
        (its message says whether retrying helps).
        """
        request = claim_request(key, origin, fingerprint)
        outcome = self.claims.claim(request, Invocation(context))
        return outcome if isinstance(outcome, AlreadyDone) else Claimed(outcome, self.claims)

    def complete(self, key_or_claim: str | Claimed, *, result: object = NO_RESULT) -> None:
        """Record that the work is done, with its result if one is given; see `Claimed.complete`."""
        self._claim(key_or_claim).complete(result=result)

    def release(self, key_or_claim: str | Claimed) -> None:
        """Free the key undone; see `Claimed.release`."""
        self._claim(key_or_claim).release()

    def extend(self, key_or_claim: str | Claimed) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        self._claim(key_or_claim).extend()

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
        self.claims.forget(checked_key(key))

    def process_batch(
        self,
        event: Any,
        process_event: ProcessEvent[Event],
        *,
        context: LambdaContext | None = None,
        max_workers: int | None = None,
        decode: Decode | None = None,
    ) -> BatchResponse:
        """Run `process_event` once per key over the messages of a Lambda event from SQS.

        `process_event` gets each message's parsed EventBridge envelope. Return the result to
        Lambda as it is: it names the messages that must come back. Pass Lambda's `context`, so that
        leases end with the invocation and no message is started too late. With `max_workers` (by
        default `CXONE_IDEM_MAX_WORKERS`, 1) a thread-safe `process_event` runs in that many
        threads; messages of one FIFO group or one key never run side by side.

        `decode` (by default the deduplicator's own) takes a message's record as Lambda delivers it,
        and returns its event, or better the event's JSON, which keeps every digit of its numbers:
        `cxone_idem.sns.decode` for SNS, yours for base64, gzip or a pointer to S3. If it raises,
        its message fails; the log has only the error's type, as its text may quote the payload.

        A message fails, and nothing else happens to it, if its handler raises, if it yields no key,
        if its key is in progress elsewhere or if the store cannot say. Raises `IdemError` if
        `event` is not from SQS or a message has no id, and `TypeError` if `process_event` is no
        plain function; then the whole batch comes back. Raises what failed the messages, too, if
        retrying cannot help any of them: a `StoreError` such as a missing table, or the `IdemError`
        of a second function for events that another one did.
        """
        invocation = Invocation(context)
        return batch_response(
            self.batches.settle(
                event, process_event, invocation, max_workers=max_workers, decode=decode
            )
        )

    def _claim(self, key_or_claim: str | Claimed | AlreadyDone) -> Claimed:
        if isinstance(key_or_claim, Claimed):
            return key_or_claim
        if isinstance(key_or_claim, AlreadyDone):
            raise TypeError(no_claim_text(key_or_claim))
        return Claimed(self.claims.held(checked_key(key_or_claim)), self.claims)


def claim_request(key: str, origin: Origin | None, fingerprint: Any) -> ClaimRequest:
    """Return what a caller wants whose events of a key share `fingerprint`, if it is given."""
    origin = Origin() if origin is None else origin
    fix = "make one, as Origin(event_id='...')"
    require(isinstance(origin, Origin), "origin must be an Origin", origin, fix)
    hashed = None if fingerprint is None else fingerprint_of(fingerprint)
    return ClaimRequest(checked_key(key), origin, hashed)


class _Process:
    """The deduplicator of this process, and how a test has others made."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.default: Deduplicator | None = None
        self.make: Make | None = None


_process = _Process()


def default_deduplicator() -> Deduplicator:
    """Return the deduplicator of this process, made from the environment when first used."""
    with _process.lock:
        if _process.default is None:
            _process.default = Deduplicator.from_environ()
        return _process.default


@contextmanager
def replaced_by(make: Make) -> Iterator[None]:
    """Have `make` make the process's deduplicator and every `from_environ` in this block."""
    with _process.lock:
        before = _process.default, _process.make
        _process.default, _process.make = make(None, None), make
    try:
        yield
    finally:
        with _process.lock:
            _process.default, _process.make = before


def _store(config: Config, client: Any) -> Store:
    if config.disabled:
        return NullStore()
    # Imported here: a consumer on MemoryStore, or with the switch thrown, needs no AWS SDK.
    from cxone_idem.stores.dynamodb import DynamoDBStore  # noqa: PLC0415

    store = DynamoDBStore(
        config.table,
        client,
        partition_key=config.partition_key,
        ttl_attribute=config.ttl_attribute,
    )
    from_snapshot = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
    if config.warm_up and "AWS_LAMBDA_FUNCTION_NAME" in os.environ and not from_snapshot:
        store.warm_up()
    return store
