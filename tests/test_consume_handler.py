"""What `consume --handler` takes, what it answers to the rest, and a poll that goes wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cxone_idem import Deduplicator, MemoryStore
from cxone_idem.cli.app import cli
from cxone_idem.errors import QueueError
from cxone_idem.runtime import Runtime
from cxone_idem.sqs.consumer import Consumer, ServedQueue
from cxone_idem.sqs.queue import SqsQueue
from tests.sqs_events import QUEUE_ARN, record

if TYPE_CHECKING:
    from pathlib import Path

    from cxone_idem.sqs.queue import VisibilityChange

HANDLERS = """
import functools

class Service:
    def __init__(self, event):
        pass
    def generator(self, event):
        yield event
    def process(self, event):
        pass

class Called:
    async def __call__(self, event):
        pass

def generator(event):
    yield event

async def coroutine(event):
    pass

async def async_generator(event):
    yield event

def nothing():
    pass

def two(event, context):
    pass

def raises(event):
    raise RuntimeError

number = 17
method = Service({}).generator
partial = functools.partial(coroutine)
called = Called()
"""


@pytest.fixture(autouse=True)
def _handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_handlers.py").write_text(HANDLERS)
    (tmp_path / "broken_handlers.py").write_text("def broken(:\n")
    (tmp_path / "raising_handlers.py").write_text("raise ValueError('two\\nlines')\n")
    (tmp_path / "exiting_handlers.py").write_text("import sys\nsys.exit('no')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        ("Service", "it is a class"),
        ("generator", "it is a generator"),
        ("method", "it is a generator"),
        ("coroutine", "it is async"),
        ("partial", "it is async"),
        ("called", "it is async"),
        ("async_generator", "it is an async generator"),
        ("nothing", "it cannot be called with the event alone (too many positional arguments)"),
        ("two", "it cannot be called with the event alone (missing a required argument"),
        ("number", "it cannot be called"),
        ("absent", "is not a function to import"),
        ("", "is not a function to import"),
    ],
)
def test_what_is_no_function_of_an_event_is_wrong_usage(handler: str, says: str) -> None:
    """One line that names it and says why, before any queue is asked."""
    _refused(f"some_handlers:{handler}", says)


@pytest.mark.parametrize("module", ["broken", "raising", "exiting", "absent"])
def test_a_module_that_cannot_be_imported_is_wrong_usage(module: str) -> None:
    """Whatever its import raises."""
    _refused(f"{module}_handlers:process", "is not a function to import")


def _refused(handler: str, says: str) -> None:
    result = CliRunner().invoke(cli, ["consume", "--queue", "q", "--handler", handler])
    assert result.exit_code == 2
    (line,) = [line for line in result.output.splitlines() if "Error" in line]
    assert says in line
    assert handler in line
    assert result.output.endswith(line + "\n")


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
    """It is told, the consumer rests a little, and the message is done once."""
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


def test_whatever_a_client_raises_is_a_queue_error() -> None:
    """Hooks run inside it, and may raise errors of their own."""

    class Client:
        def delete_message_batch(self, **_: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(QueueError) as caught:
        SqsQueue(Client(), "http://127.0.0.1/q").delete(["h"])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
