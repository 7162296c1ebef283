"""The contract that a table must keep, as steps that are played on it in keys of their own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.claims.claim import Claimed
from cxone_idem.claims.invocation import Invocation
from cxone_idem.config import Config
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.errors import ClaimLostError, InProgressError, StoreError
from cxone_idem.protocol.claim_attempt import ClaimRequest
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.protocol.store import NO_DEADLINE, Budget, ConditionalPut
from cxone_idem.record import Origin, Record, State, partition_key
from cxone_idem.stores.dynamodb import DynamoDBStore
from cxone_idem.stores.dynamodb_admin import RecordReader, TableAdmin

# Every item is gone well within the hour: its lease, and this.
_RETENTION_SECONDS = 600
_CLOCK_SECONDS = 2
_WRITES = ("PutItem", "BatchExecuteStatement", "TransactWriteItems")
# What AWS refuses of one request may be granted to the next.
_OF_ONE_STEP = ("AccessDenied", "Validation")
_PAID = ("paid-1", "paid-2")
_BATCH = ("batch-1", "batch-2", "batch-3")
_ALLOW = "allow {} on the table to whoever runs this, and to the consumer"
_SCHEMA = "run cxone-idem create-table, or set CXONE_IDEM_PARTITION_KEY and _TTL_ATTRIBUTE"
TTL = "TTL"
"""The name of the step that sees whether what it writes expires."""
NOTE = "; "
"""The mark of a note: whatever follows it, the step is right."""
_ENGINE = "this is not what DynamoDB does: check AWS_ENDPOINT_URL_DYNAMODB, or open an issue"


class Step(NamedTuple):
    """A part of the contract: what is expected, how it is seen, and the fix if it is not."""

    name: str
    expected: str
    see: Callable[[], str]
    fix: str


class _AnswerLost(DynamoDBStore):
    """Sends each write twice, as the SDK does after an answer that never came."""

    def put_many(self, puts: Sequence[ConditionalPut], budget: Budget = NO_DEADLINE) -> list[Any]:
        super().put_many(puts, budget)
        return super().put_many(puts, budget)


class Contract:
    """Plays the contract on a table. Deletes nothing; what it writes expires."""

    def __init__(self, config: Config, client: Any) -> None:
        names: dict[str, Any] = {
            "partition_key": config.partition_key,
            "ttl_attribute": config.ttl_attribute,
        }
        namespace = f"selftest-{secrets.token_hex(8)}"
        self.config = Config(
            config.table, namespace, lease_seconds=60, retention_seconds=_RETENTION_SECONDS, **names
        )
        self._client = client
        self._admin = TableAdmin(config, client)
        self._store = DynamoDBStore(config.table, client, **names)
        self._losing = Deduplicator(_AnswerLost(config.table, client, **names), self.config)
        self._first, self._second = (Deduplicator(self._store, self.config) for _ in range(2))
        self._held: list[Any] = []
        self._requests = 0
        self._refusals: list[bool] = []
        self.wrote = False
        """Something was written."""
        client.meta.events.register("before-call.dynamodb", self._count)
        client.meta.events.register("after-call.dynamodb", self._note)

    def reach(self) -> None:
        """Ask the table once; raise `StoreError` if no step can be played on it."""
        try:
            RecordReader(self.config, self._client).get(self._own("one"))
        except StoreError as error:
            if not (error.code or "").startswith(_OF_ONE_STEP):
                raise

    def steps(self) -> list[Step]:
        """Return the steps, in the order in which they build on each other."""
        put, batch = _ALLOW.format("dynamodb:PutItem"), "dynamodb:PartiQLInsert and :PartiQLUpdate"
        batches, look = _ALLOW.format(batch), "allow dynamodb:Describe* on the table, or ignore it"
        return [
            Step("table key", "as records need", self._key, f"{_SCHEMA}; {look}"),
            Step(TTL, f"on for {self.config.ttl_attribute}", self._ttl, f"{_SCHEMA}; {look}"),
            Step("claim", "generation 1", self._claim, put),
            Step("refused claim", "in progress for event-1", self._refused, _ENGINE),
            Step("completion", "done, result 7", self._complete, put),
            Step("batch of claims", "3 claimed, 1 request", self._batch, batches),
            Step("refused batch", "3 in progress for event-1", self._refused_batch, _ENGINE),
            Step("batch of completions", "3 done, 1 request", self._batch_done, batches),
            Step("takeover", "generation 2, late worker refused", self._takeover, _ENGINE),
            Step("lost answer", "generation 1, recognised 1 x", self._lost, _ENGINE),
            Step("transaction", "2 done at once, then refused", self._transaction, put),
            Step("clock", "at most 2 s off", self._clock, "set this machine's clock (NTP)"),
            Step("reading", "the record", self._read, _ALLOW.format("dynamodb:GetItem")),
        ]

    def _count(self, **_: object) -> None:
        self._requests += 1

    def _note(self, model: Any, parsed: Any, http_response: Any, **_: object) -> None:
        if http_response.status_code != HTTPStatus.OK or model.name not in _WRITES:
            return
        errors = [one.get("Error") for one in parsed.get("Responses", [{}])]
        self.wrote |= None in errors
        self._refusals = ["Item" in error for error in errors if error]

    def _key(self) -> str:
        table = self._admin.describe()
        mistake = self._admin.schema_mistake(table) if table else "no such table"
        return mistake or "as records need"

    def _ttl(self) -> str:
        found = self._admin.ttl_attribute()
        return f"on for {found}" if found else "off"

    def _claim(self) -> str:
        return _generation(self._first.claim("one", origin=Origin(event_id="event-1")))

    def _refused(self) -> str:
        try:
            return _generation(self._second.claim("one"))
        except InProgressError as error:
            return f"in progress for {error.record.origin.event_id}"

    def _complete(self) -> str:
        self._first.complete("one", result=7)
        found = self._second.claim("one")
        return f"done, result {found.result}" if isinstance(found, AlreadyDone) else repr(found)

    def _claim_all(self, worker: Deduplicator) -> list[Any]:
        requests = [ClaimRequest(key, Origin(event_id="event-1"), None) for key in _BATCH]
        self._refusals = []
        found = list(worker.claims.claim_all(requests, Invocation(None)))
        for each in found:
            if isinstance(each, StoreError):
                raise each
        return found

    def _batch(self) -> str:
        before = self._requests
        self._held = self._claim_all(self._first)
        claimed = sum(isinstance(each, HeldClaim) for each in self._held)
        return f"{claimed} claimed, {self._requests - before} request"

    def _refused_batch(self) -> str:
        found = self._claim_all(self._second)
        events = [e.record.origin.event_id for e in found if isinstance(e, InProgressError)]
        # The first answer to a claim never has it; DynamoDB may give it when it is asked.
        how = "with" if self._refusals and all(self._refusals) else "without"
        seen = f"{events.count('event-1')} in progress for event-1"
        return f"{seen}{NOTE}refused {how} the record"

    def _batch_done(self) -> str:
        before = self._requests
        errors = self._first.claims.complete_all(self._held)
        return f"{errors.count(None)} done, {self._requests - before} request"

    def _takeover(self) -> str:
        key, ends = self._own("late"), int(time.time()) + _RETENTION_SECONDS
        dead = Record(key, State.IN_PROGRESS, "dead", 1, 0, ends)
        self._store.put_if(dead, None)
        seen = _generation(self._first.claim("late"))
        try:
            self._second.claims.release_record("late", dead)
        except ClaimLostError:
            return f"{seen}, late worker refused"
        return f"{seen}, late worker not refused"

    def _lost(self) -> str:
        seen = _generation(self._losing.claim("lost"))
        return f"{seen}, recognised {self._losing.claims.counters.drain().lost_answers} x"

    def _transaction(self) -> str:
        claims = [self._first.claim(key) for key in _PAID]
        items = [claim.transaction_item() for claim in claims if isinstance(claim, Claimed)]
        self._client.transact_write_items(TransactItems=items)
        try:
            self._client.transact_write_items(TransactItems=items)
        except self._client.exceptions.TransactionCanceledException:
            found = [isinstance(self._second.claim(key), AlreadyDone) for key in _PAID]
            return f"{sum(found)} done at once, then refused"
        return "committed twice"

    def _clock(self) -> str:
        before, key = time.time(), self._own("clock")
        ends = int(before) + _RETENTION_SECONDS
        date = self._store.put_if(Record(key, State.DONE, "now", 1, 0, ends), None).date_seconds
        if date is None:
            return "no date in the answer"
        # The date is cut to whole seconds.
        off = max(date - time.time(), before - date - 1)
        return "at most 2 s off" if off <= _CLOCK_SECONDS else f"{off:.0f} s off"

    def _read(self) -> str:
        record, _ = RecordReader(self.config, self._client).get(self._own("one"))
        return "the record" if record else "none"

    def _own(self, key: str) -> str:
        return partition_key(self.config.namespace, key)


def ends_all(error: StoreError) -> bool:
    """Return whether no further step can be played: the table is gone, or out of reach."""
    unreached = error.code is None and error.retryable
    return unreached or error.code == "ResourceNotFoundException"


def _generation(claim: Claimed | AlreadyDone) -> str:
    return f"generation {claim.record.generation}" if claim else "done already"
