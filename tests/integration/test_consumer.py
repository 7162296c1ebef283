"""The consumer for containers, on SQS over HTTP: nothing lost, nothing twice, stopped cleanly."""

from __future__ import annotations

import json
import os
import signal
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cxone_idem import Claimed, Deduplicator, MemoryStore, current_message, sns
from cxone_idem.claims.invocation import Invocation
from cxone_idem.cli.app import cli
from cxone_idem.errors import QueueError
from cxone_idem.record import State
from cxone_idem.runtime import Runtime
from cxone_idem.sqs.consumer import Consumer, ServedQueue, Service
from cxone_idem.sqs.queue import SqsQueue, open_queue
from examples.containers import consumer as ecs_consumer
from tests.support.documents import code_blocks
from tests.support.events import envelope
from tests.support.failing_store import FailingStore
from tests.support.queues import Polled, TestQueue, sqs_on
from tests.unit.test_sns import notification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def sqs() -> Iterator[SQSClient]:
    """Return a client of SQS over HTTP."""
    with sqs_on("ministack") as client:
        yield client


@pytest.fixture
def queue(sqs: SQSClient) -> TestQueue:
    """Return a fresh standard queue."""
    return TestQueue(sqs)


class Handler:
    """A `process_event` that keeps the keys it was given, and may fail the first time."""

    def __init__(self, *fails_once: str) -> None:
        self.fails_once = set(fails_once)
        self.keys: list[str] = []

    def __call__(self, event: dict[str, Any]) -> None:
        key = event["detail"]["IdempotencyKey"]
        self.keys.append(key)
        if key in self.fails_once:
            self.fails_once.remove(key)
            message = "the downstream is down"
            raise RuntimeError(message)


def consumer_of(
    queue: TestQueue,
    process_event: Callable[[dict[str, Any]], object],
    deduplicator: Deduplicator | None = None,
    *,
    failures: int = 0,
    **options: Any,
) -> Consumer:
    """Return a consumer that stops when its queue is empty; what failed comes back at once."""
    batch_size, pollers = options.pop("batch_size", 10), options.pop("pollers", 1)
    polled = Polled(queue, failures)
    consumer = Consumer(
        deduplicator or Deduplicator(MemoryStore()),
        ServedQueue(SqsQueue(queue.client, queue.url), polled, batch_size, 0, pollers),
        process_event,
        runtime=Runtime(**{"random": lambda: 0.0, **options}),
    )
    polled.when_empty = consumer.service.stop
    return consumer


def test_each_key_is_worked_on_once_and_duplicates_are_deleted(queue: TestQueue) -> None:
    """In the same receive and in a later one; nothing is left in the queue."""
    handler = Handler()
    queue.send(*(envelope(key) for key in ("a", "b", "a")))
    deduplicator = Deduplicator(MemoryStore())
    consumer_of(queue, handler, deduplicator).run()
    queue.send(envelope("b"), envelope("c"))
    consumer_of(queue, handler, deduplicator).run()
    assert sorted(handler.keys) == ["a", "b", "c"]
    assert queue.counts() == (0, 0)


def test_what_failed_comes_back_and_what_is_done_does_not(queue: TestQueue) -> None:
    """A failure is tried again after its back-off, here none; its neighbours were deleted."""
    handler = Handler("a")
    queue.send(envelope("a"), envelope("b"))
    consumer_of(queue, handler).run()
    assert sorted(handler.keys) == ["a", "a", "b"]
    assert queue.counts() == (0, 0)


def test_what_failed_is_hidden_for_its_back_off(queue: TestQueue) -> None:
    """With any other luck it is not there at once."""
    handler = Handler("a")
    queue.send(envelope("a"))
    consumer_of(queue, handler, random=lambda: 0.5).run()
    assert handler.keys == ["a"]
    assert queue.counts() == (0, 1)


def test_pollers_share_what_they_know(queue: TestQueue) -> None:
    """Two at work at once on two keys; what each has done, all know without a request."""
    both = Barrier(2, timeout=30)
    done: list[str] = []
    store = FailingStore(MemoryStore())

    def process(event: dict[str, Any]) -> None:
        both.wait()
        done.append(event["detail"]["IdempotencyKey"])

    queue.send(*(envelope(key) for key in ("a", "b")))
    deduplicator = Deduplicator(store)
    consumer_of(queue, process, deduplicator, batch_size=1, pollers=2).run()
    store.fails = State.IN_PROGRESS
    queue.send(*(envelope(key) for key in ("a", "b")))
    consumer_of(queue, process, deduplicator).run()
    assert sorted(done) == ["a", "b"]
    assert queue.counts() == (0, 0)


def test_a_fifo_group_keeps_its_order_over_a_failure(sqs: SQSClient) -> None:
    """The ARN says FIFO: behind the failed one nothing of its group is started."""
    queue = TestQueue(sqs, fifo=True)
    handler = Handler("a")
    queue.send(*(envelope(key) for key in ("a", "b", "c")), group="g")
    consumer_of(queue, handler).run()
    assert handler.keys == ["a", "a", "b", "c"]
    assert queue.counts() == (0, 0)


def test_stopped_it_gives_back_what_was_not_started(queue: TestQueue) -> None:
    """The running message is finished and deleted; the others are visible, their keys free."""
    keys: list[str] = []
    store = MemoryStore()

    def process(event: dict[str, Any]) -> None:
        keys.append(event["detail"]["IdempotencyKey"])
        consumer.service.stop()

    queue.send(*(envelope(key) for key in ("a", "b", "c")))
    consumer = consumer_of(queue, process, Deduplicator(store))
    consumer.run()
    assert len(keys) == 1
    assert queue.counts() == (2, 0)
    others = {"a", "b", "c"} - set(keys)
    assert all(isinstance(Deduplicator(store).claim(key), Claimed) for key in others)


@pytest.mark.parametrize("min_remaining_seconds", [0, 1, 900])
def test_a_service_has_all_the_time_until_it_is_stopped(min_remaining_seconds: float) -> None:
    """Whatever time a message needs: before, there is no deadline; after, it is past.

    Leases stay as long as ever, for the handler that is still running.
    """
    service = Service()
    assert isinstance(service, Invocation)
    assert service.remaining_ms() is None
    service.stop()
    remaining_ms = service.remaining_ms()
    assert remaining_ms is not None
    assert remaining_ms < min_remaining_seconds * 1000
    assert service.lease_ms(300) == 300_000


def test_sqs_may_be_away_for_a_while(queue: TestQueue, caplog: pytest.LogCaptureFixture) -> None:
    """It says so, rests longer each time up to half a minute, in naps that a stop ends, goes on."""
    handler = Handler()
    naps: list[float] = []
    queue.send(envelope("a"))
    consumer_of(queue, handler, failures=7, sleep=naps.append, random=lambda: 1.0).run()
    assert handler.keys == ["a"]
    assert sum(naps) == 1 + 2 + 4 + 8 + 16 + 32 + 32
    assert max(naps) <= 1
    assert caplog.text.count("nothing received: SQS is away") == 7


def test_a_rest_ends_with_a_stop(queue: TestQueue) -> None:
    """Nobody waits half a minute for a consumer that has nothing to do."""
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 10:
            consumer.service.stop()

    consumer = consumer_of(queue, Handler(), failures=99, sleep=nap, random=lambda: 1.0)
    consumer.run()
    assert len(naps) == 10


def test_a_deletion_that_fails_brings_a_duplicate(
    queue: TestQueue, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so; the others are deleted."""

    def process(event: dict[str, Any]) -> None:
        if event["detail"]["IdempotencyKey"] == "a":
            queue.client.purge_queue(QueueUrl=queue.url)

    queue.send(envelope("a"))
    consumer_of(queue, process).run()
    assert "comes back as a duplicate: ReceiptHandleIsInvalid" in caplog.text


def test_a_completion_the_store_did_not_take_is_recorded_while_idle(queue: TestQueue) -> None:
    """The message is deleted, as on Lambda; the next poll records what is done."""
    store = FailingStore(MemoryStore())
    deduplicator = Deduplicator(store)
    store.fails = State.DONE
    queue.send(envelope("a"))

    def heal(**_: object) -> None:
        store.fails = None

    queue.client.meta.events.register("before-call.sqs.DeleteMessageBatch", heal)
    consumer_of(queue, Handler(), deduplicator).run()
    queue.client.meta.events.unregister("before-call.sqs.DeleteMessageBatch", heal)
    assert store.refused
    assert not Deduplicator(store).claim("a")


def test_what_cannot_work_is_refused_before_anything_is_received(queue: TestQueue) -> None:
    """No message is hidden for a consumer that cannot serve it."""

    async def process(_: Any) -> None:
        """Do no work."""

    queue.send(envelope("a"))
    with pytest.raises(TypeError, match="async"):
        consumer_of(queue, process).run()
    assert queue.counts() == (1, 0)
    with pytest.raises(QueueError, match="there is no such queue"):
        open_queue(queue.client, "nothing-of-this-name")
    assert open_queue(queue.client, queue.name).url == queue.url
    queue.url += "-gone"
    with pytest.raises(QueueError, match="there is no such queue"):
        consumer_of(queue, Handler()).run()


@pytest.fixture
def _signals_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals_restored")
def test_the_command_serves_until_it_is_stopped(
    queue: TestQueue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """README's command line, on the example; a queue by name or by URL."""
    (line,) = code_blocks("Containers", "sh")
    assert line.startswith("python -m cxone_idem consume ")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", queue.client.meta.endpoint_url)
    monkeypatch.setenv("CXONE_IDEM_DISABLED", "true")
    process_event = ecs_consumer.process_event

    def process_and_stop(event: dict[str, Any]) -> None:
        process_event(event)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ecs_consumer, "process_event", process_and_stop)
    for named in (queue.name, queue.url):
        queue.send(envelope("a"))
        arguments = line.replace("cxone-events", named).split()[3:]
        with capsys.disabled():
            result = CliRunner().invoke(cli, arguments)
        assert (result.exit_code, result.stdout) == (
            0,
            "conversation.start: processed event event-of-a\n",
        )
    assert queue.counts() == (0, 0)


def test_events_inside_notifications_are_served(sqs: SQSClient, queue: TestQueue) -> None:
    """Wrapped and raw in one queue; the handler sees the attributes of its message."""
    tenants: list[str] = []
    queue.send(notification(envelope("a")), envelope("a"))
    sqs.send_message(
        QueueUrl=queue.url,
        MessageBody=json.dumps(notification(envelope("b"))),
        MessageAttributes={"tenant": {"DataType": "String", "StringValue": "t1"}},
    )

    def process(_: dict[str, Any]) -> None:
        tenant = current_message().message_attributes.get("tenant", {})
        tenants.append(tenant.get("stringValue", ""))

    consumer_of(queue, process, Deduplicator(MemoryStore(), decode=sns.decode)).run()
    assert sorted(tenants) == ["", "t1"]
    assert queue.counts() == (0, 0)


@pytest.mark.usefixtures("_signals_restored")
def test_the_command_decodes(queue: TestQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the function that `--decode` names."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", queue.client.meta.endpoint_url)
    monkeypatch.setenv("CXONE_IDEM_DISABLED", "true")
    ran: list[Any] = []

    def process_and_stop(event: dict[str, Any]) -> None:
        ran.append(event)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ecs_consumer, "process_event", process_and_stop)
    queue.send(notification(envelope("a")))
    arguments = ["consume", "--queue", queue.name, "--decode", "cxone_idem.sns:decode"]
    handler = "examples.containers.consumer:process_event"
    assert CliRunner().invoke(cli, [*arguments, "--handler", handler]).exit_code == 0
    assert ran == [envelope("a")]


@pytest.mark.usefixtures("_signals_restored")
@pytest.mark.parametrize(
    "handler", ["nothing:", "no.such:thing", "examples.containers.consumer:nothing"]
)
def test_a_handler_that_is_not_there_is_wrong_usage(handler: str) -> None:
    """Before any queue is asked."""
    result = CliRunner().invoke(cli, ["consume", "--queue", "q", "--handler", handler])
    assert result.exit_code == 2
    assert "MODULE:FUNCTION" in result.output or "is not a function to import" in result.output
