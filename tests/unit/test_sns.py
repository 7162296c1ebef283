"""SNS notifications are unwrapped; everything else in the queue stays as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Cause, Deduplicator, MemoryStore, MessageStatus, sns
from tests.support.events import batch, envelope, failed, record

if TYPE_CHECKING:
    from cxone_idem import Outcome


def notification(event: Any, **fields: Any) -> dict[str, Any]:
    """Return what SNS makes of an event without raw message delivery."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:000000000000:cxone",
        "Message": event if isinstance(event, str) else json.dumps(event),
        "Timestamp": "2012-05-02T00:54:06.655Z",
        **fields,
    }


def test_wrapped_and_raw_copies_of_an_event_are_one() -> None:
    """One run, and origin and cause are those of the event inside."""
    outcomes: list[Outcome] = []
    ran: list[Any] = []
    deduplicator = Deduplicator(MemoryStore(), on_outcome=outcomes.append, decode=sns.decode)
    event = envelope("k")
    for number, body in enumerate([notification(event), event, notification(event)]):
        one = batch(record(f"m{number}", body))
        assert failed(deduplicator.process_batch(one, ran.append)) == []
    assert ran == [event]
    assert [one.cause for one in outcomes] == [None, *[Cause.EVENTBRIDGE_DELIVERED_TWICE] * 2]
    assert {one.origin.event_id for one in outcomes} == {"event-of-k"}


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[" * 100_000,
        "17",
        json.dumps(envelope("k")),
        json.dumps({"Type": "Notification", "Message": "of somebody else's"}),
        json.dumps(notification("x", Message={"id": "x"})),
        json.dumps(notification("x", Type="SubscriptionConfirmation")),
    ],
    ids=lambda body: body[:20],
)
def test_what_is_no_notification_stays_as_it_is(body: str) -> None:
    """Byte for byte, so that whoever reads it says what is wrong."""
    assert sns.decode(record("m", body)) == body


def test_a_notification_of_no_event_has_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """It fails like any other text, and its neighbour is done."""
    outcomes: list[Outcome] = []
    event = batch(record("a", notification("secret")), record("b", notification(envelope("k"))))
    deduplicator = Deduplicator(MemoryStore(), on_outcome=outcomes.append, decode=sns.decode)
    assert failed(deduplicator.process_batch(event, lambda _: None)) == ["a"]
    assert [one.status for one in outcomes] == [MessageStatus.KEY_MISSING, MessageStatus.COMPLETED]
    assert "secret" not in caplog.text


def test_numbers_keep_every_digit() -> None:
    """The text goes on as it came: two long numbers are two keys."""
    bodies = [f'{{"detail": {{"IdempotencyKey": 12345678901234567890.{n}}}}}' for n in (1, 2)]
    records = [record(f"m{n}", notification(body)) for n, body in enumerate(bodies)]
    ran: list[Any] = []
    deduplicator = Deduplicator(MemoryStore(), decode=sns.decode)
    assert failed(deduplicator.process_batch(batch(*records), ran.append)) == []
    assert len(ran) == 2
