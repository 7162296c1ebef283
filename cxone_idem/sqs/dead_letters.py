"""Dead letters with the record in hand: what is done is dropped, the rest goes back to its queue.

Nothing is lost wherever this is killed: a message is sent before it is deleted, so at worst it is
there twice, and the key of the second one is then found done. What is hidden while it is looked at
is visible again five minutes later.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from cxone_idem.config import Config
from cxone_idem.errors import KeyMissingError, QueueError, StoreError
from cxone_idem.protocol import decisions
from cxone_idem.protocol.decisions import Decision
from cxone_idem.record import Origin, Record, partition_key
from cxone_idem.sqs.decoding import Decode, find_ids, read_event
from cxone_idem.sqs.queue import ENTRIES_MAX, SqsQueue, VisibilityChange, lambda_record
from cxone_idem.stores.dynamodb_item import ForeignItemError

if TYPE_CHECKING:
    from cxone_idem.stores.dynamodb_admin import RecordReader

# A receive that waits asks all of SQS's servers; one that does not may miss what is there.
_POLL_SECONDS = 1


class Verdict(Enum):
    """The best thing to do with a dead letter."""

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


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of a dead-letter queue, judged by its record."""

    message_id: str
    sent_at_ms: int | None
    key: str | None = None
    record: Record | None = None
    verdict: Verdict = Verdict.KEEP
    reason: str = ""
    target: SqsQueue | None = None  # where it is sent back, if that is the verdict
    acted: bool = False  # whether the verdict was carried out


def decide(
    record: Record | None, fingerprint: str | None, store_time_ms: int, max_attempts: int = 0
) -> tuple[Verdict, str]:
    """Return what is best done with a message whose key has this record, and why.

    The next delivery of the message would end the same way.
    """
    if record is None:
        return Verdict.SEND_BACK, "no record: never claimed, or past its retention"
    # No version that was ever written, so the look is never taken for a write of its own.
    stamp = decisions.Stamp("look", store_time_ms, store_time_ms, 0)
    claim = decisions.claimed(record.partition_key, record, stamp, Origin(), fingerprint)
    meaning = decisions.decide_refused_claim(claim, record, store_time_ms, max_attempts)
    return _VERDICTS[meaning]


@dataclass
class DeadLetters:
    """The messages of one dead-letter queue, to look at and to settle.

    `to` is where they are sent back; by default each goes to the queue it came from. `decode` is
    that of their consumer.
    """

    queue: SqsQueue
    reader: RecordReader
    config: Config
    to: SqsQueue | None = None
    decode: Decode | None = None
    _seen: set[str] = field(default_factory=set)
    _kept: list[str] = field(default_factory=list)

    def walk(self, *carry_out: Verdict) -> Iterator[DeadLetter]:
        """Yield each message once, after carrying out its verdict if it is one of these.

        Raises `QueueError` and `StoreError`. Whatever ends the walk, what was kept becomes visible.
        """
        try:
            while received := self._receive():
                for message in received:
                    yield self._settle(message, carry_out)
        finally:
            self.queue.change_visibility([VisibilityChange(handle, 0) for handle in self._kept])

    def _receive(self) -> list[dict[str, Any]]:
        """Return messages not seen before; none once one of them comes back."""
        received = self.queue.receive(
            most=ENTRIES_MAX, wait_seconds=_POLL_SECONDS, visibility_seconds=300
        )
        self._kept += [message["ReceiptHandle"] for message in received]
        ids = {message["MessageId"] for message in received}
        comes_back = ids & self._seen
        self._seen |= ids
        return [] if comes_back else received

    def _settle(self, message: dict[str, Any], carry_out: Sequence[Verdict]) -> DeadLetter:
        letter = self._judge(message)
        if letter.verdict is Verdict.KEEP or letter.verdict not in carry_out:
            return letter
        if letter.target is not None:
            # Of FIFO: new for this letter, but the same if it is sent again. With the id of old,
            # SQS would take the message and not deliver it within five minutes of the first sending
            # ("Using the message deduplication ID"): deleted here, it would be lost.
            old = message["Attributes"].get("MessageDeduplicationId", "")
            new = hashlib.sha256(f"{letter.message_id} {old}".encode()).hexdigest()
            # Should it fail again while this goes on, it is not sent back in a circle.
            self._seen.add(letter.target.send(message, new))
        handle = message["ReceiptHandle"]
        refused = self.queue.delete([handle])
        if refused:
            problem = f"a message was not deleted ({refused[handle]}); running this again helps"
            raise QueueError(problem, self.queue.url, "DeleteMessageBatch")
        self._kept.remove(handle)
        return replace(letter, acted=True)

    def _judge(self, message: dict[str, Any]) -> DeadLetter:
        attributes = message["Attributes"]
        letter = DeadLetter(message["MessageId"], int(attributes["SentTimestamp"]))
        try:
            delivered = lambda_record(message, "")
            _, event = read_event(delivered, self.decode)
            key, fingerprint = find_ids(event, delivered, self.config)
            letter = replace(letter, key=key)
            record, date_seconds = self.reader.get(partition_key(self.config.namespace, key))
        except KeyMissingError as error:
            return replace(letter, reason=str(error))
        except StoreError as error:
            if not isinstance(error.__cause__, ForeignItemError):
                raise
            return replace(letter, reason=error.problem)
        now_ms = int((time.time() if date_seconds is None else date_seconds) * 1000)
        verdict, reason = decide(record, fingerprint, now_ms, self.config.max_attempts)
        letter = replace(letter, record=record, verdict=verdict, reason=reason)
        if verdict is not Verdict.SEND_BACK:
            return letter
        source = attributes.get("DeadLetterQueueSourceArn")  # SQS itself says it
        if self.to or source:
            return replace(letter, target=self.to or self.queue.neighbour(source))
        reason = "it does not say which queue it came from: name one with --to"
        return replace(letter, verdict=Verdict.KEEP, reason=reason)
