"""When a message that is not done is to come back: pure decisions on what became of it.

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

import math
from typing import TYPE_CHECKING, NamedTuple

from cxone_idem.errors import InProgressError
from cxone_idem.fate import DELETED, Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.outcome import Outcome

VISIBILITY_MAX_SECONDS = 39_600
"""11 h: SQS refuses what goes beyond 12 h from the receive on ("ChangeMessageVisibility", SQS API
Reference), and a batch may be an hour old when it is settled."""

_LEASE_MARGIN_SECONDS = 1
_BACKOFF_FIRST_SECONDS = 30
_BACKOFF_MOST_SECONDS = 900
# Enough to reach the most; a receive count may be any number.
_DOUBLINGS_MAX = 5


class Change(NamedTuple):
    """A message's receipt handle, and the seconds from now until it is visible again."""

    receipt_handle: str
    seconds: int


def changes(outcomes: Sequence[Outcome], share: Callable[[], float]) -> list[Change]:
    """Return when each message that was not done is to come back; `share` is random in [0, 1).

    A FIFO group goes on only when all of its messages are visible, so those behind the first that
    failed come back with it. What nothing is known of keeps the queue's own visibility timeout.
    """
    found: list[Change] = []
    of_group: dict[str, int | None] = {}
    for outcome in outcomes:
        message = outcome.message
        if outcome.fate in DELETED or not message.receipt_handle:
            continue
        if message.group is None:
            seconds = _seconds(outcome, share)
        else:
            if message.group not in of_group:
                of_group[message.group] = _seconds(outcome, share)
            seconds = of_group[message.group]
        if seconds is not None:
            found.append(Change(message.receipt_handle, seconds))
    return found


def _seconds(outcome: Outcome, share: Callable[[], float]) -> int | None:
    if outcome.fate is Fate.NO_TIME:
        return 0
    if outcome.fate is Fate.IN_PROGRESS:
        if not isinstance(outcome.error, InProgressError):
            return None
        until_free = math.ceil(outcome.error.retry_after_seconds) + _LEASE_MARGIN_SECONDS
        return max(0, min(until_free, VISIBILITY_MAX_SECONDS))
    doublings = min(_attempts(outcome) - 1, _DOUBLINGS_MAX)
    most = min(_BACKOFF_FIRST_SECONDS << doublings, _BACKOFF_MOST_SECONDS)
    return math.ceil(share() * most)


def _attempts(outcome: Outcome) -> int:
    """Return how often this message was tried: no more than received, or than its key was claimed.

    After a dead-letter redrive it is a new message, received once, on a key claimed often.
    """
    received = outcome.origin.receive_count or 1
    claimed = outcome.record.generation if outcome.record else received
    return max(1, min(received, claimed))
