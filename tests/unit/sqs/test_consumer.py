"""The consumer's loop at a queue whose client raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Deduplicator, MemoryStore
from cxone_idem.runtime import Runtime
from cxone_idem.sqs.consumer import Consumer, ServedQueue
from cxone_idem.sqs.queue import SqsQueue
from tests.support.events import QUEUE_ARN, record

if TYPE_CHECKING:
    from cxone_idem.sqs.queue import VisibilityChange


class FlakyQueue(SqsQueue):
    """A queue of one message, at a client that raises what it likes."""

    def __init__(self, *fails_at: str) -> None:
        super().__init__(None, "http://127.0.0.1/q")
        self.fails_at = list(fails_at)
        self.deleted: list[str] = []
        self.consumer: Consumer | None = None
        self._there = True

    def arn(self) -> str:
        return QUEUE_ARN

    def receive(self, **_: Any) -> list[dict[str, Any]]:
        self._fail("receive")
        if not self._there:
            assert self.consumer
            self.consumer.service.stop()
            return []
        message = record("m0", {"id": "k", "detail": {"IdempotencyKey": "k"}})
        return [{"MessageId": "m0", "ReceiptHandle": "h", "Body": message["body"]}]

    def delete(self, handles: Any) -> dict[str, str]:
        self._fail("delete")
        self.deleted += handles
        self._there = False
        return {}

    def change_visibility(self, _: list[VisibilityChange]) -> dict[str, str]:  # type: ignore[override]
        self._fail("change_visibility")
        return {}

    def _fail(self, what: str) -> None:
        if what in self.fails_at:
            self.fails_at.remove(what)
            raise ZeroDivisionError


@pytest.mark.parametrize("fails_at", ["receive", "delete", "change_visibility"])
def test_whatever_a_poll_raises_the_next_one_comes(
    fails_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, the consumer rests a little, and the message is done once."""
    naps: list[float] = []
    ran: list[object] = []
    queue = FlakyQueue(fails_at)
    queue.consumer = Consumer(
        Deduplicator(MemoryStore()),
        ServedQueue(queue, queue),
        ran.append,
        runtime=Runtime(sleep=naps.append, random=lambda: 1.0),
    )
    queue.consumer.run()
    assert len(ran) == 1
    assert queue.deleted == ["h"]
    assert naps == [1]
    assert "ZeroDivisionError" in caplog.text
