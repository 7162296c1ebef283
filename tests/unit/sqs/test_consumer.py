"""The consumer's loop at a queue whose client raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Deduplicator, MemoryStore
from cxone_idem.runtime import Runtime
from cxone_idem.sqs.consumer import POLL_SECONDS, Consumer, ServedQueue
from cxone_idem.sqs.queue import SqsQueue
from tests.support.events import QUEUE_ARN, record

if TYPE_CHECKING:
    from cxone_idem.sqs.queue import VisibilityChange


class FlakyQueue(SqsQueue):
    """A queue of one message, at a client that raises what it likes."""

    def __init__(self, *fails_at: str) -> None:
        super().__init__(None, "http://127.0.0.1/q")
        self.fails_at = list(fails_at)
        self.error: type[BaseException] = ZeroDivisionError
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
            raise self.error


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


def test_what_ends_one_poller_ends_all() -> None:
    """A process that exits serves nothing any longer; what ended it is raised."""
    queue = FlakyQueue("receive")
    queue.error = SystemExit
    consumer = Consumer(Deduplicator(MemoryStore()), ServedQueue(queue, queue, pollers=4), bool)
    queue.consumer = consumer
    with pytest.raises(SystemExit):
        consumer.run()
    assert consumer.service.stopping


def test_a_poll_ends_within_the_time_that_docker_grants() -> None:
    """Ten seconds, even if SQS never answers: connecting, waiting and the time for the answer."""
    config = ServedQueue.of("http://127.0.0.1/q", 10, 2).polled._client.meta.config  # noqa: SLF001
    assert config.read_timeout > POLL_SECONDS
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout < 10
