"""When a message comes back: the decision."""

from __future__ import annotations

from typing import Any

import pytest

from cxone_idem import ClaimLostError, InProgressError
from cxone_idem.record import Origin, Record, State
from cxone_idem.sqs.message import Message
from cxone_idem.sqs.outcome import ACKNOWLEDGED, MessageStatus, Outcome
from cxone_idem.sqs.queue import VisibilityChange
from cxone_idem.sqs.visibility import plan_visibility


def record(generation: int = 1) -> Record:
    """Return a record of work in progress."""
    return Record("k", State.IN_PROGRESS, "v", generation, lease_until_ms=0, expires_at=None)


def outcome(
    status: MessageStatus, handle: str = "h", group: str | None = None, **fields: Any
) -> Outcome:
    """Return what became of a message."""
    message = Message("m", "{}", group, {}, handle, "arn:aws:sqs:us-east-1:000000000000:q", {})
    return Outcome(message, status, "k", **{"origin": Origin(receive_count=1), **fields})


def in_progress(retry_after_seconds: float, handle: str = "h", group: str | None = None) -> Outcome:
    """Return the outcome of a message whose key another worker has."""
    error = InProgressError("k", retry_after_seconds, record())
    return outcome(MessageStatus.IN_PROGRESS, handle, group, error=error)


def seconds(one: Outcome, share: float = 0.5) -> int:
    """Return when a message comes back."""
    (change,) = plan_visibility([one], lambda: share)
    return change.seconds


@pytest.mark.parametrize("status", sorted(ACKNOWLEDGED, key=str))
def test_what_is_deleted_is_left_alone(status: MessageStatus) -> None:
    """Its message is about to be gone."""
    assert plan_visibility([outcome(status)], lambda: 0.5) == []


@pytest.mark.parametrize(
    ("lease_left", "expected"), [(12.0, 13), (12.2, 14), (0.0, 1), (-7.0, 0), (10**7, 39_600)]
)
def test_in_progress_comes_back_when_the_lease_is_surely_over(
    lease_left: float, expected: int
) -> None:
    """Not before, as that would find it in progress again; and within what SQS allows."""
    assert seconds(in_progress(lease_left)) == expected


def test_not_started_comes_back_at_once() -> None:
    """Nothing is wrong with it: another worker may have the time."""
    assert seconds(outcome(MessageStatus.NO_TIME)) == 0


@pytest.mark.parametrize(
    "status", [MessageStatus.HANDLER_FAILED, MessageStatus.KEY_MISSING, MessageStatus.STORE_FAILED]
)
@pytest.mark.parametrize(
    ("received", "most"),
    [(None, 30), (0, 30), (1, 30), (2, 60), (3, 120), (5, 480), (6, 900), (9, 900), (2**53, 900)],
)
def test_failed_comes_back_within_a_doubling_time(
    status: MessageStatus, received: int | None, most: int
) -> None:
    """Anywhere from at once to the most, at random; any receive count there can be."""
    failed = outcome(status, origin=Origin(receive_count=received))
    assert seconds(failed, 0.0) == 0
    assert seconds(failed, 0.5) == most // 2
    assert seconds(failed, 1 - 2**-53) == most


@pytest.mark.parametrize(
    ("received", "generation"),
    [(6, 1), (1, 6)],
    ids=["five receives were contention", "a dead-letter redrive"],
)
def test_only_attempts_of_this_message_lengthen_its_back_off(
    received: int, generation: int
) -> None:
    """Contention is not poison, and a message sent back starts anew."""
    origin = Origin(receive_count=received)
    failed = outcome(MessageStatus.HANDLER_FAILED, origin=origin, record=record(generation))
    assert seconds(failed, 1 - 2**-53) == 30


def test_what_nothing_is_known_of_keeps_its_time() -> None:
    """No handle, or a claim lost to a lease nobody has read: the queue's time-out decides."""
    lost = outcome(MessageStatus.IN_PROGRESS, error=ClaimLostError("k", "taken over"))
    assert plan_visibility([lost, outcome(MessageStatus.NO_TIME, handle="")], lambda: 0.5) == []


def test_a_fifo_group_comes_back_as_one() -> None:
    """Whatever follows the first failure of a group has its time; other groups have their own."""
    outcomes = [
        outcome(MessageStatus.COMPLETED, handle="a0", group="a"),
        in_progress(9, handle="a1", group="a"),
        outcome(MessageStatus.HANDLER_FAILED, handle="b1", group="b"),
        outcome(MessageStatus.GROUP_BLOCKED, handle="a2", group="a"),
        outcome(MessageStatus.GROUP_BLOCKED, handle="b2", group="b"),
        outcome(MessageStatus.GROUP_BLOCKED, handle="a3", group="a"),
    ]
    shares = iter([0.5])
    assert plan_visibility(outcomes, lambda: next(shares)) == [
        VisibilityChange("a1", 10),
        VisibilityChange("b1", 15),
        VisibilityChange("a2", 10),
        VisibilityChange("b2", 15),
        VisibilityChange("a3", 10),
    ]
