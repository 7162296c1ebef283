"""Dead letters with the record in hand: what is done is dropped, the rest goes back to its queue.

Nothing is lost wherever this is killed: a message is sent before it is deleted, so at worst it is
there twice, and the key of the second one is then found done. What is hidden while it is looked at
is visible again five minutes later.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from cxone_idem.errors import KeyMissingError, QueueError, StoreError
from cxone_idem.protocol import decisions
from cxone_idem.protocol.decisions import Decision
from cxone_idem.record import Origin, Record, partition_key
from cxone_idem.sqs.queue import ENTRIES_MAX, SqsQueue, VisibilityChange, lambda_record
from cxone_idem.sqs.reading import Decode, find_ids, read_event
from cxone_idem.stores.dynamodb_item import ForeignItemError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cxone_idem.config import Config
    from cxone_idem.stores.dynamodb_admin import RecordReader

HIDDEN_SECONDS = 300
"""How long a message stays hidden from others if this is killed while it looks at it."""

# A receive that waits asks all of SQS's servers; one that does not may miss what is there.
_POLL_SECONDS = 1


class Verdict(Enum):
    """What is best done with a dead letter."""

    DROP = "drop"
    SEND_BACK = "send back"
    KEEP = "keep"


# What would only fail again is left for people to decide.
_VERDICTS = {
    Decision.DONE: (Verdict.DROP, "done"),
    Decision.FINGERPRINT_MISMATCH: (Verdict.KEEP, "another event of this key is done or at work"),
    Decision.EXHAUSTED: (Verdict.KEEP, "tried as often as CXONE_IDEM_MAX_ATTEMPTS allows"),
    Decision.IN_PROGRESS: (Verdict.SEND_BACK, "in progress: that worker may die"),
    Decision.TAKE_OVER: (Verdict.SEND_BACK, "not done, or past its retention"),
}
# No version that was ever written, so the look is never taken for a write of its own.
_LOOK = "look"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of a dead-letter queue, judged by its record."""

    message_id: str
    sent_at_ms: int | None
    key: str | None = None
    record: Record | None = None
    verdict: Verdict = Verdict.KEEP
    reason: str = ""
    target: SqsQueue | None = None
    """Where it is sent back; None unless that is the verdict."""
    acted: bool = False
    """Whether the verdict was carried out."""


def decide(
    record: Record | None, fingerprint: str | None, store_time_ms: int, max_attempts: int = 0
) -> tuple[Verdict, str]:
    """Return what is best done with a message whose key has this record, and why.

    The next delivery of the message would end the same way.
    """
    if record is None:
        return Verdict.SEND_BACK, "no record: never claimed, or past its retention"
    stamp = decisions.Stamp(_LOOK, store_time_ms, store_time_ms, 0)
    claim = decisions.claimed(record.partition_key, record, stamp, Origin(), fingerprint)
    meaning = decisions.decide_refused_claim(claim, record, store_time_ms, max_attempts)
    return _VERDICTS[meaning]


class DeadLetters:
    """The messages of one dead-letter queue, to look at and to settle.

    `to` is where they are sent back; by default each goes to the queue it came from. `decode` is
    that of their consumer.
    """

    def __init__(
        self,
        queue: SqsQueue,
        reader: RecordReader,
        config: Config,
        to: SqsQueue | None = None,
        decode: Decode | None = None,
    ) -> None:
        self._decode = decode
        self._queue = queue
        self._reader = reader
        self._config = config
        self._to = to
        self._seen: set[str] = set()
        self._kept: list[str] = []

    def walk(self, *carry_out: Verdict) -> Iterator[DeadLetter]:
        """Yield each message once, after carrying out its verdict if it is one of these.

        Raises `QueueError` and `StoreError`. Whatever ends the walk, what was kept becomes visible.
        """
        try:
            while received := self._receive():
                for message in received:
                    yield self._settle(message, carry_out)
        finally:
            self._queue.change_visibility([VisibilityChange(handle, 0) for handle in self._kept])

    def _receive(self) -> list[dict[str, Any]]:
        """Return messages not seen before; none once one of them comes back."""
        received = self._queue.receive(
            most=ENTRIES_MAX, wait_seconds=_POLL_SECONDS, visibility_seconds=HIDDEN_SECONDS
        )
        self._kept += [message["ReceiptHandle"] for message in received]
        ids = {message["MessageId"] for message in received}
        if ids & self._seen:
            return []
        self._seen |= ids
        return received

    def _settle(self, message: dict[str, Any], carry_out: Sequence[Verdict]) -> DeadLetter:
        letter = self._judge(message)
        if letter.verdict is Verdict.KEEP or letter.verdict not in carry_out:
            return letter
        if letter.target is not None:
            sent = letter.target.send(message, _deduplication_id(message))
            # Should it fail again while this goes on, it is not sent back in a circle.
            self._seen.add(sent)
        handle = message["ReceiptHandle"]
        refused = self._queue.delete([handle])
        if refused:
            problem = f"a message was not deleted ({refused[handle]}); running this again helps"
            raise QueueError(problem, self._queue.url, "DeleteMessageBatch")
        self._kept.remove(handle)
        return replace(letter, acted=True)

    def _judge(self, message: dict[str, Any]) -> DeadLetter:
        letter = DeadLetter(message["MessageId"], int(message["Attributes"]["SentTimestamp"]))
        try:
            delivered = lambda_record(message, "")
            _, event = read_event(delivered, self._decode)
            key, fingerprint = find_ids(event, delivered, self._config)
        except KeyMissingError as error:
            return replace(letter, reason=str(error))
        letter = replace(letter, key=key)
        try:
            record, date_seconds = self._reader.get(partition_key(self._config.namespace, key))
        except StoreError as error:
            if not isinstance(error.__cause__, ForeignItemError):
                raise
            return replace(letter, reason=error.problem)
        now_seconds = time.time() if date_seconds is None else date_seconds
        verdict, reason = decide(
            record, fingerprint, int(now_seconds * 1000), self._config.max_attempts
        )
        letter = replace(letter, record=record, verdict=verdict, reason=reason)
        if verdict is not Verdict.SEND_BACK:
            return letter
        target = self._target(message)
        if target is None:
            reason = "it does not say which queue it came from: name one with --to"
            return replace(letter, verdict=Verdict.KEEP, reason=reason)
        return replace(letter, target=target)

    def _target(self, message: dict[str, Any]) -> SqsQueue | None:
        """Return where to send a message back; SQS itself says where a dead letter came from."""
        source = message["Attributes"].get("DeadLetterQueueSourceArn", "")
        if self._to is not None or not source:
            return self._to
        return self._queue.neighbour(source)


def _deduplication_id(message: dict[str, Any]) -> str:
    """Return a FIFO deduplication id that is new for this letter, but the same if it is sent again.

    With the id of old, SQS would take the message and not deliver it within five minutes of the
    first sending ("Using the message deduplication ID", SQS Developer Guide): deleted here, it
    would be lost.
    """
    old = message["Attributes"].get("MessageDeduplicationId", "")
    return hashlib.sha256(f"{message['MessageId']} {old}".encode()).hexdigest()
