"""The DynamoDB store: one PutItem a write, or several writes in one BatchExecuteStatement."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from cxone_idem.chance import random_share
from cxone_idem.dynamodb_answer import CONFLICTS, LASTING
from cxone_idem.dynamodb_batch import STATEMENTS_MAX
from cxone_idem.dynamodb_request import LEAST_SECONDS, NoBatchesError, TableRequests
from cxone_idem.errors import StoreError
from cxone_idem.item import Layout
from cxone_idem.record import NO_VERSION
from cxone_idem.store import NO_DEADLINE, Answer, Budget, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.record import Record

logger = logging.getLogger("cxone_idem")

# Between attempts, at random from the half to the whole of it. A throttled table has capacity again
# within a second, or later than most functions can wait; a conflict takes tens of milliseconds.
_PAUSES_SECONDS = (0.1, 0.2, 0.4)
# Roles and engines change: what a batch could not do is tried again after so long.
_BATCHES_OFF_SECONDS = 300


class DynamoDBStore:
    """Records as items of one DynamoDB table. Needs `dynamodb:PutItem` on it and nothing more.

    `client` is any boto3 DynamoDB client; the default has time-outs that suit a Lambda function,
    and is made anew in a forked process. A client of your own keeps its own retries and time-outs:
    give each process one. The table has a partition key (text) named `partition_key` and no sort
    key.
    """

    def __init__(  # noqa: PLR0913 -- the table's names, and what tests replace
        self,
        table: str,
        client: Any = None,
        *,
        partition_key: str = "id",
        ttl_attribute: str = "expires_at",
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = TableRequests(table, Layout(partition_key, ttl_attribute), client)
        self._sleep = sleep
        self._monotonic = monotonic
        self._batches_off_until_seconds = 0.0
        self._batches_tell = True
        """A refused UPDATE of a batch comes with its item, as far as is known."""

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        """Write `record` by one PutItem on the condition that the item's version is as expected.

        The refused write's item comes with the refusal, so nothing is ever read
        (`ReturnValuesOnConditionCheckFailure`, PutItem in the DynamoDB API Reference).
        """
        (answer,) = self.put_many([Write(record, expected_version)])
        if isinstance(answer, StoreError):
            raise answer
        return answer

    def put_many(
        self, writes: Sequence[Write], budget: Budget = NO_DEADLINE
    ) -> list[Answer | StoreError]:
        """Do what `put_if` does for each write, several in one BatchExecuteStatement.

        That needs `dynamodb:PartiQLInsert` and `dynamodb:PartiQLUpdate`; without them, or on an
        engine without PartiQL, each write is a PutItem of its own. What fails for a passing reason
        is sent again, together, after a pause.
        """
        answers = self._send(writes, budget)
        for pause_seconds in _PAUSES_SECONDS[: budget.attempts - 1]:
            # Last first: one that fails again and again must not keep the others from their turn.
            again = [n for n, one in enumerate(answers) if _is_worth_a_retry(one, budget)][::-1]
            if not again or not self._pause(pause_seconds, budget):
                break
            for n, answer in zip(
                again, self._send([writes[n] for n in again], budget), strict=True
            ):
                answers[n] = _after(answers[n], answer)
        return answers

    def transaction_item(self, write: Write) -> dict[str, Any]:
        """Return the entry of TransactWriteItems that does what `put_if` would.

        It needs the same permission ("Using IAM with DynamoDB transactions", Developer Guide).
        """
        return {"Put": self._requests.parameters(write)}

    def _send(self, writes: Sequence[Write], budget: Budget) -> list[Answer | StoreError]:
        """Send each write once, in as few requests as can be; find out what refused it."""
        # An item without a version needs a condition that PartiQL's UPDATE has no words for.
        plain = [write for write in writes if write.expected_version != NO_VERSION]
        if len(plain) < 2 or self._monotonic() < self._batches_off_until_seconds:  # noqa: PLR2004 -- one is no batch
            return self._send_singly(writes, budget)
        answers: dict[Write, Answer | StoreError] = {}
        for start in range(0, len(plain), STATEMENTS_MAX):
            chunk = plain[start : start + STATEMENTS_MAX]
            answers.update(zip(chunk, self._send_batch(chunk, budget), strict=True))
        rest = [write for write in writes if write.expected_version == NO_VERSION]
        answers.update(zip(rest, self._send_singly(rest, budget), strict=True))
        return [answers[write] for write in writes]

    def _send_batch(self, writes: Sequence[Write], budget: Budget) -> list[Answer | StoreError]:
        if len(writes) == 1:
            return self._send_singly(writes, budget)
        try:
            answers = self._requests.put_batch(writes, budget)
        except NoBatchesError as error:
            return self._send_without_batch(writes, budget, error)
        return self._ask_what_refused(writes, answers, budget)

    def _ask_what_refused(
        self, writes: Sequence[Write], answers: list[Answer | StoreError | None], budget: Budget
    ) -> list[Answer | StoreError]:
        """Find out which items refused the writes that a batch refused without saying.

        Together, where batches tell; else one by one, as a PutItem is always refused with its item.
        """
        untold = [n for n, answer in enumerate(answers) if answer is None]
        if len(untold) > 1 and self._batches_tell:
            for n, answer in zip(
                untold, self._ask_batch([writes[n] for n in untold], budget), strict=True
            ):
                answers[n] = answer
            untold = [n for n in untold if answers[n] is None]
        singly = self._send_singly([writes[n] for n in untold], budget)
        for n, answer in zip(untold, singly, strict=True):
            answers[n] = answer
            if writes[n].expected_version and isinstance(answer, Answer) and answer.seen:
                self._batches_tell = False
        return [answer for answer in answers if answer is not None]

    def _ask_batch(
        self, writes: Sequence[Write], budget: Budget
    ) -> list[Answer | StoreError | None]:
        """Return what refused each write; None where that is still not known.

        Each is written over its own version: refused with the item that is stored, or carried out
        where the write had landed before.
        """
        over = [Write(write.record, write.record.version) for write in writes]
        try:
            answers = self._requests.put_batch(over, budget)
        except NoBatchesError:
            return [None for _ in writes]
        # An item was there a moment ago: a batch that refuses without one never tells.
        self._batches_tell = None not in answers
        return [
            answer._replace(written=False, seen=write.record)
            if isinstance(answer, Answer) and answer.written
            else answer
            for write, answer in zip(writes, answers, strict=True)
        ]

    def _send_without_batch(
        self, writes: Sequence[Write], budget: Budget, why: NoBatchesError
    ) -> list[Answer | StoreError]:
        """Write one by one, and for a while from now on if that works where the batch did not.

        What a failed batch may have written carries the same versions, so it is recognised.
        """
        answers = self._send_singly(writes, budget)
        if all(isinstance(answer, Answer) for answer in answers):
            self._batches_off_until_seconds = self._monotonic() + _BATCHES_OFF_SECONDS
            logger.warning(
                "no batch writes on table %r (%s), so each is a request of its own; if the role"
                " lacks dynamodb:PartiQLInsert or dynamodb:PartiQLUpdate, allowing them makes this"
                " faster",
                self._requests.table,
                why,
            )
        return answers

    def _send_singly(self, writes: Sequence[Write], budget: Budget) -> list[Answer | StoreError]:
        """Send a PutItem for each write, up to the first failure that concerns all."""
        answers: list[Answer | StoreError] = []
        for write in writes:
            answer = self._requests.put(write, budget)
            answers.append(answer)
            if isinstance(answer, StoreError) and _concerns_all(answer):
                answers += [_not_sent(answer) for _ in writes[len(answers) :]]
                break
        return answers

    def _pause(self, seconds: float, budget: Budget) -> bool:
        """Pause before another attempt; return False if there is no time for both."""
        # At random, or those that were throttled together would come back together.
        pause_seconds = seconds * (1 + random_share()) / 2
        if budget.seconds_left() < pause_seconds + LEAST_SECONDS:
            return False
        self._sleep(pause_seconds)
        return True


def _is_worth_a_retry(answer: Answer | StoreError, budget: Budget) -> bool:
    return isinstance(answer, StoreError) and answer.retryable and answer.attempts < budget.attempts


def _after(before: Answer | StoreError, answer: Answer | StoreError) -> Answer | StoreError:
    """Return the answer to a later attempt: an earlier one may have been carried out."""
    if not isinstance(before, StoreError) or not isinstance(answer, StoreError):
        return answer
    return _changed(
        answer,
        outcome_unknown=before.outcome_unknown or answer.outcome_unknown,
        attempts=before.attempts + answer.attempts,
    )


def _concerns_all(error: StoreError) -> bool:
    """Tell whether the next write would fail for the same reason, and cost the same time."""
    return error.code not in CONFLICTS and (error.retryable or error.code in LASTING)


def _not_sent(error: StoreError) -> StoreError:
    """Return the failure of a write that was not sent, because one before it failed."""
    return _changed(error, outcome_unknown=False, attempts=0)


def _changed(error: StoreError, *, outcome_unknown: bool, attempts: int) -> StoreError:
    changed = StoreError(
        error.problem,
        error.table,
        error.operation,
        error.code,
        error.request_id,
        outcome_unknown,
        error.retryable,
        attempts,
    )
    changed.__cause__ = error.__cause__
    return changed
