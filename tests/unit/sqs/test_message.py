"""SQS messages as Lambda and EventBridge Pipes deliver them, and advice for all else."""

from __future__ import annotations

from typing import Any

import pytest

from cxone_idem import Deduplicator, IdemError, MemoryStore
from tests.support.events import batch_of, envelope
from tests.unit.sqs.test_outcome import Event, fails


def test_what_eventbridge_pipes_sends_is_a_batch() -> None:
    """A bare list of the same records, and the same answer."""
    ran: list[Event] = []

    def handler(event: Event) -> None:
        ran.append(event)
        if event["detail"]["IdempotencyKey"] == "b":
            raise RuntimeError

    event = batch_of("a", "b")["Records"]
    assert Deduplicator(MemoryStore()).process_batch(event, handler) == {
        "batchItemFailures": [{"itemIdentifier": "m1"}]
    }
    assert len(ran) == 2


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"Records": [{"EventSource": "aws:sns", "Sns": {}}]}, "aws:sns.*subscribe an SQS queue"),
        ([{"EventSource": "aws:sns", "Sns": {}}], r"event\[0\].*aws:sns.*subscribe an SQS queue"),
        ([{"eventSource": "aws:kinesis"}], "aws:kinesis.*serves SQS only"),
        ([envelope("k")], r"event\[0\] has no messageId"),
        (["text"], r"event\[0\] is not an SQS message but a str"),
        ([], "got a list"),
    ],
)
def test_what_is_no_batch_gets_its_own_advice(event: Any, says: str) -> None:
    """SNS spells its field in its own way."""
    with pytest.raises(IdemError, match=says):
        Deduplicator(MemoryStore()).process_batch(event, fails)
