"""When a message that is not done comes back: the plan, and the requests that carry it out.

The numbers, and why:

* in progress elsewhere: when that worker's lease ends, and 1 s. Times of the store come in whole
  seconds, so a second later the next claim surely finds the lease over.
* failed: at random within 30 s, 60 s, 120 s and so on, 15 minutes at most ("full jitter", from the
  AWS Architecture Blog's "Exponential Backoff And Jitter": it spreads what failed together). 30 s
  outlasts a blip, 15 minutes find the end of an outage soon enough. Counted are the attempts: a
  receive that only found the key in progress is none, so contention does not look like poison.
* not started: at once; nothing is wrong with it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cxone_idem.claims.invocation import Invocation
from cxone_idem.errors import InProgressError, QueueError
from cxone_idem.runtime import random_fraction
from cxone_idem.sqs.outcome import ACKNOWLEDGED, MessageStatus, Outcome
from cxone_idem.sqs.queue import (
    ANSWER_SECONDS,
    REQUEST_MAX_SECONDS,
    SqsQueue,
    VisibilityChange,
    create_sqs_client,
    tens,
    url_of,
)
from cxone_idem.stores.aws_client import ProcessClient

logger = logging.getLogger("cxone_idem")

VISIBILITY_MAX_SECONDS = 39_600
"""11 h: SQS refuses what goes beyond 12 h from the receive on ("ChangeMessageVisibility", SQS API
Reference), and a batch may be an hour old when it is settled."""

_LEASE_MARGIN_SECONDS = 1
_BACKOFF_FIRST_SECONDS = 30
_BACKOFF_MOST_SECONDS = 900
# Enough to reach the most; a receive count may be any number.
_DOUBLINGS_MAX = 5

# Time for one request that hangs, and half a second to return the batch's answer after it.
_NEEDED_MS = int(REQUEST_MAX_SECONDS * 1000) + 500


def plan_visibility(
    outcomes: Sequence[Outcome], random: Callable[[], float]
) -> list[VisibilityChange]:
    """Return when each message that was not done is to come back; `random` is from [0, 1).

    A FIFO group goes on only when all of its messages are visible, so those behind the first that
    failed come back with it. What nothing is known of keeps the queue's own visibility timeout.
    """
    found: list[VisibilityChange] = []
    planned: dict[object, int | None] = {}
    for outcome in outcomes:
        message = outcome.message
        if outcome.status in ACKNOWLEDGED or not message.receipt_handle:
            continue
        together = message.receipt_handle if message.group is None else (message.group,)
        if together not in planned:
            planned[together] = _seconds(outcome, random)
        seconds = planned[together]
        if seconds is not None:
            found.append(VisibilityChange(message.receipt_handle, seconds))
    return found


def _seconds(outcome: Outcome, random: Callable[[], float]) -> int | None:
    if outcome.status is MessageStatus.NO_TIME:
        return 0
    if outcome.status is MessageStatus.IN_PROGRESS:
        if not isinstance(outcome.error, InProgressError):
            return None
        until_free = math.ceil(outcome.error.retry_after_seconds) + _LEASE_MARGIN_SECONDS
        return max(0, min(until_free, VISIBILITY_MAX_SECONDS))
    # No more attempts than receives, nor than claims: after a dead-letter redrive it is a new
    # message, received once, on a key claimed often.
    received = outcome.origin.receive_count or 1
    claimed = outcome.record.generation if outcome.record else received
    doublings = max(0, min(received - 1, claimed - 1, _DOUBLINGS_MAX))
    return math.ceil(random() * min(_BACKOFF_FIRST_SECONDS << doublings, _BACKOFF_MOST_SECONDS))


class VisibilityUpdater:
    """Changes the visibility of what a batch did not do. Needs `sqs:ChangeMessageVisibility`.

    One attempt a request: whatever goes wrong, the message comes back with the queue's own
    visibility timeout, so there is nothing to insist on.
    """

    def __init__(self, client: Any = None, random: Callable[[], float] = random_fraction) -> None:
        create = partial(create_sqs_client, attempts=1, answer_seconds=ANSWER_SECONDS)
        self._client = ProcessClient(create, client)
        self._random = random

    def update(self, outcomes: Sequence[Outcome], invocation: Invocation) -> None:
        """Change visibility as `plan_visibility` says, while the invocation has the time."""
        wanted = plan_visibility(outcomes, self._random)
        arn = outcomes[0].message.queue_arn if outcomes else ""
        if not wanted or not arn.startswith("arn:"):
            return
        client = self._client()
        queue = SqsQueue(client, url_of(client, arn))
        changed, reason = 0, ""
        try:
            for chunk in tens(wanted):
                remaining_ms = invocation.remaining_ms()
                if remaining_ms is not None and remaining_ms < _NEEDED_MS:
                    reason = f"{remaining_ms} ms of the invocation are left"
                    break
                refused = queue.change_visibility(chunk)
                changed += len(chunk) - len(refused)
                reason = next(iter(refused.values()), reason)
        except QueueError as error:
            reason = str(error)
        if changed < len(wanted):
            logger.warning(
                "the visibility of %d of %d messages was not changed (%s): they come back after"
                " the queue's visibility timeout",
                len(wanted) - changed,
                len(wanted),
                reason,
            )
