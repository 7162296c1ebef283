"""The heartbeat on an SQS queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cxone_idem import Deduplicator, MemoryStore
from cxone_idem.sqs.heartbeat import Heartbeat
from cxone_idem.sqs.queue import SqsQueue
from tests.support.events import envelope
from tests.support.queues import TestQueue, sqs_on
from tests.unit.sqs.test_heartbeat import CONFIG, Beats

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.mark.engine
def test_on_sqs_a_message_in_work_is_not_delivered_again() -> None:
    """Received for no time at all, it is hidden by the first beat."""
    with sqs_on("ministack") as sqs:
        _beat_once_on(sqs)


def _beat_once_on(sqs: SQSClient) -> None:
    queue = TestQueue(sqs)
    queue.send(envelope("a"))
    (record,) = queue.receive(visibility_seconds=0)
    beats = Beats()
    claims = Deduplicator(MemoryStore(), CONFIG).claims
    with Heartbeat(claims, SqsQueue(sqs, queue.url), beats).keeping([record["receiptHandle"]]):
        beats.beat()
        assert queue.receive() == []
