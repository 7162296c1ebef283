"""For the unit tests of your consumer: no AWS, no waiting, and what goes wrong goes wrong on cue.

Nothing here needs a test framework, and nothing of the library needs this.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import cxone_idem
from cxone_idem.claimed import Claimed
from cxone_idem.config import Config
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.errors import StoreError
from cxone_idem.memory import MemoryStore
from cxone_idem.record import State
from cxone_idem.store import transaction_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cxone_idem.outcome import Outcome
    from cxone_idem.record import Record
    from cxone_idem.sqs_batch import BatchResponse
    from cxone_idem.store import Answer, Store, Write

START_SECONDS = 2_000_000_000.0
"""When a `MovableClock` starts, epoch seconds: in 2033, so that no engine sweeps the records."""

QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:cxone-events"


class MovableClock:
    """Epoch seconds that stand still until they are moved."""

    def __init__(self, seconds: float = START_SECONDS) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class RehearsalStore:
    """A store that tells the time of a clock of yours, counts requests and loses answers on cue.

    Without a clock it tells no time, so that each worker's own counts.
    """

    def __init__(
        self, store: Store | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self.requests = 0
        """Writes sent so far, the SDK's retries included."""
        self.leases_until_ms = 0
        """When the last of all leases written so far ends, epoch milliseconds."""
        self._store = store or MemoryStore()
        self._clock = clock
        self._to_lose = 0
        self._retried = True

    def lose_answers(self, times: int = 1, *, retried: bool = True) -> None:
        """Carry out the next writes, but lose their answers.

        The AWS SDK then sends the write again; if that is not `retried`, the write ends in a
        `StoreError` whose outcome is unknown.
        """
        self._to_lose, self._retried = times, retried

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        """Write as the store behind does, as often as the SDK has to."""
        if record.state is State.IN_PROGRESS:
            self.leases_until_ms = max(self.leases_until_ms, record.lease_until_ms)
        answer = self._put(record, expected_version)
        while self._to_lose:
            self._to_lose -= 1
            if not self._retried:
                problem = "the store did not answer; retrying helps once it can be reached"
                raise StoreError(problem, "rehearsal", "PutItem", outcome_unknown=True)
            answer = self._put(record, expected_version)
        if self._clock is None:
            return answer
        return answer._replace(date_seconds=int(self._clock()))

    def transaction_item(self, write: Write) -> Any:
        """Return what the store behind makes of a write for its transactions."""
        return transaction_item(self._store, write)

    def _put(self, record: Record, expected_version: str | None) -> Answer:
        self.requests += 1
        return self._store.put_if(record, expected_version)


class Rehearsal:
    """Your consumer's `deduplicator`, the `store` in memory it works on, and the `clock` of both.

    A wait of the deduplicator moves the clock instead of sleeping.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = Config() if config is None else config
        self.clock = MovableClock()
        self.store = RehearsalStore(clock=self.clock)
        self.deduplicator = self._worker()

    def hold_elsewhere(self, key: str) -> Claimed:
        """Have another worker claim `key`; complete or release it as your story goes.

        Raises `ValueError` if the key is done already.
        """
        claim = self._worker().claim(key)
        if isinstance(claim, Claimed):
            return claim
        message = f"key {key!r} is done already, so no other worker can hold it"
        raise ValueError(message)

    def let_leases_lapse(self) -> None:
        """Let time pass until every lease is over, as if their workers had died."""
        # One second more, as stores tell whole seconds only.
        self.clock.seconds = max(self.clock.seconds, self.store.leases_until_ms / 1000 + 1)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Have `Deduplicator.from_environ` and `cxone_idem.claim` and so on work in here.

        Import your consumer under it, if it makes its deduplicator when it is imported.
        """

        def from_environ(environ: Any = None, *, on_outcome: Any = None) -> Deduplicator:  # noqa: ARG001 -- by contract
            if on_outcome is not None:
                self.deduplicator = self._worker(on_outcome)
            return self.deduplicator

        with (
            patch.object(Deduplicator, "from_environ", from_environ),
            patch.object(cxone_idem, "_default", self.deduplicator),
        ):
            yield

    def _worker(self, on_outcome: Callable[[Outcome], object] | None = None) -> Deduplicator:
        return Deduplicator(
            self.store,
            self.config,
            on_outcome=on_outcome,
            now=self.clock,
            sleep=self.clock.advance,
        )


def eventbridge_event(
    key: str | None = "a1b2c3d4-5678-90ab-cdef-1234567890ab", **fields: Any
) -> dict[str, Any]:
    """Return the EventBridge envelope of a `conversation.start` whose IdempotencyKey is `key`.

    `fields` replace whole fields of the envelope; name such as `detail-type` by `**{...}`.
    """
    detail = {
        "eventType": "conversation.start",
        "IdempotencyKey": key,
        "conversationId": "conv-123",
        "timestamp": "2023-10-27T14:30:00Z",
    }
    return {
        "version": "0",
        "id": f"event-of-{key}",
        "detail-type": "conversation.start",
        "source": "nice.cxone",
        "account": "000000000000",
        "time": "2023-10-27T14:30:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
        **fields,
    }


def sqs_record(
    message_id: str, body: Any, *, group: str | None = None, fifo: bool = False, **attributes: str
) -> dict[str, Any]:
    """Return one SQS record around `body`, which is encoded unless it is text already."""
    if group is not None:
        attributes["MessageGroupId"] = group
    return {
        "messageId": message_id,
        "receiptHandle": f"handle-{message_id}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1698417000123",
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": "1698417000130",
            **attributes,
        },
        "messageAttributes": {},
        "md5OfBody": "00000000000000000000000000000000",
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN + (".fifo" if fifo else ""),
        "awsRegion": "us-east-1",
    }


def sqs_event(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the Lambda event of some SQS records."""
    return {"Records": list(records)}


def sqs_event_of(*keys: str) -> dict[str, Any]:
    """Return the Lambda event of one message a key, with ids m0, m1 and so on."""
    return sqs_event(
        *(sqs_record(f"m{number}", eventbridge_event(key)) for number, key in enumerate(keys))
    )


def failed_ids(response: BatchResponse) -> list[str]:
    """Return the message ids that a batch response names as failed."""
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


class FakeContext:
    """A Lambda context whose remaining time is what you say."""

    aws_request_id = "request-1"
    function_name = "cxone-events"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:cxone-events"
    memory_limit_in_mb = 128

    def __init__(self, remaining_ms: int = 30_000) -> None:
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the invocation would end."""
        return self.remaining_ms
