"""Visibility aligned with the lease, on SQS: what is asked of it, what comes of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Deduplicator, MemoryStore
from cxone_idem.claims.invocation import Invocation
from cxone_idem.errors import QueueError
from cxone_idem.sqs.queue import SqsQueue, VisibilityChange, create_sqs_client
from cxone_idem.sqs.visibility import VISIBILITY_MAX_SECONDS, VisibilityUpdater
from examples.local_stack import free_port
from tests.support.events import Context, batch, batch_of, envelope, failed
from tests.support.queues import TestQueue, sqs_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

    from cxone_idem.sqs.outcome import Outcome

NO_DEADLINE = Invocation(None)

MAKES_CLIENTS = "cxone_idem.sqs.visibility.create_sqs_client"


@pytest.fixture(
    scope="module", params=["moto", pytest.param("ministack", marks=pytest.mark.engine)]
)
def sqs(request: pytest.FixtureRequest) -> Iterator[SQSClient]:
    """Return a client of SQS on each engine in turn."""
    with sqs_on(request.param) as client:
        yield client


@pytest.fixture
def queue(sqs: SQSClient) -> TestQueue:
    """Return a fresh standard queue."""
    return TestQueue(sqs)


@pytest.fixture
def aligner(sqs: SQSClient) -> VisibilityUpdater:
    """Return an aligner whose luck is always half."""
    return VisibilityUpdater(sqs, lambda: 0.5)


class Worker:
    """A `process_event` that fails for some keys."""

    def __init__(self, *fails_for: str) -> None:
        self.fails_for = fails_for

    def __call__(self, event: dict[str, Any]) -> None:
        if event["detail"]["IdempotencyKey"] in self.fails_for:
            message = "the downstream is down"
            raise RuntimeError(message)


def settled(
    records: list[dict[str, Any]], *fails_for: str, busy: tuple[str, ...] = ()
) -> list[Outcome]:
    """Return what becomes of messages if some fail and another worker has the keys of some."""
    store = MemoryStore()
    for key in busy:
        assert Deduplicator(store).claim(key)
    return Deduplicator(store).batches.settle(batch(*records), Worker(*fails_for), NO_DEADLINE)


@pytest.fixture
def asked(sqs: SQSClient) -> Iterator[list[list[int]]]:
    """Return the seconds that each request for visibility has asked for."""
    requests: list[list[int]] = []

    def note(params: dict[str, Any], **_: object) -> None:
        requests.append([entry["VisibilityTimeout"] for entry in params["Entries"]])

    event = "provide-client-params.sqs.ChangeMessageVisibilityBatch"
    sqs.meta.events.register(event, note)
    yield requests
    sqs.meta.events.unregister(event, note)


def test_it_is_off_unless_asked_for(
    queue: TestQueue, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No client is made for a consumer that did not ask."""
    monkeypatch.setattr(MAKES_CLIENTS, lambda **_: pytest.fail("a client"))
    queue.send(envelope("a"))
    Deduplicator(MemoryStore()).process_batch(batch(*queue.receive()), Worker("a"))
    Deduplicator.from_environ({})
    assert asked == []


def test_asked_for_it_is_ready_before_the_first_batch(
    queue: TestQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting alone suffices; the endpoint is the SDK's own variable, the URL needs no request.

    A message without time is visible again at once; its neighbour that failed is not.
    """
    if "127.0.0.1" in queue.client.meta.endpoint_url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", queue.client.meta.endpoint_url)
    monkeypatch.setattr("cxone_idem.deduplicator._store", lambda *_: MemoryStore())
    monkeypatch.setattr(
        "cxone_idem.sqs.visibility._NEEDED_MS", 500
    )  # ANSWER_SECONDS are for Lambda
    monkeypatch.setattr("cxone_idem.sqs.queue.ANSWER_SECONDS", 20)
    deduplicator = Deduplicator.from_environ({"CXONE_IDEM_ALIGN_VISIBILITY": "true"})
    monkeypatch.setattr(MAKES_CLIENTS, lambda **_: pytest.fail("too late"))
    queue.send(envelope("a"), envelope("b"))
    context = Context(30_000)

    def slow(_: object) -> None:
        context.remaining_ms = 900
        message = "too slow"
        raise RuntimeError(message)

    response = deduplicator.process_batch(batch(*queue.receive()), slow, context=context)
    assert len(failed(response)) == 2
    (again,) = queue.receive()
    assert again["messageId"] == failed(response)[1]


def test_each_message_is_given_its_time(
    queue: TestQueue, aligner: VisibilityUpdater, asked: list[list[int]]
) -> None:
    """In one request: the lease's end for contention (300 + 3 + 1 s), a back-off for poison."""
    queue.send(envelope("busy"), envelope("poison"), envelope("fine"))
    outcomes = settled(queue.receive(), "poison", busy=("busy",))
    aligner.update(outcomes, NO_DEADLINE)
    assert [sorted(request) for request in asked] == [[15, 304]]
    assert queue.receive() == []


def test_more_than_ten_go_in_tens(
    queue: TestQueue, aligner: VisibilityUpdater, asked: list[list[int]]
) -> None:
    """The batch API takes ten entries."""
    queue.send(*(envelope(f"k{number}") for number in range(12)))
    records = [*queue.receive(), *queue.receive()]
    outcomes = settled(records, *(f"k{number}" for number in range(12)))
    aligner.update(outcomes, NO_DEADLINE)
    assert [len(request) for request in asked] == [10, 2]


def test_a_fifo_group_is_delivered_again_in_its_order(sqs: SQSClient) -> None:
    """The first failed, the others were blocked: with the same time, they come back in order."""
    queue = TestQueue(sqs, fifo=True)
    queue.send(*(envelope(f"k{number}") for number in range(3)), group="g")
    records = queue.receive()
    outcomes = settled(records, "k0")
    VisibilityUpdater(sqs, lambda: 0.0).update(outcomes, NO_DEADLINE)
    assert [one["messageId"] for one in queue.receive()] == [one["messageId"] for one in records]


@pytest.mark.parametrize("seconds", [0, 1, VISIBILITY_MAX_SECONDS])
def test_what_is_decided_sqs_takes(queue: TestQueue, seconds: int) -> None:
    """From at once to the most. moto, as AWS, counts 12 h from the receive, and refuses more."""
    queue.send(envelope("a"))
    handle = queue.receive()[0]["receiptHandle"]
    opened = SqsQueue(queue.client, queue.url)
    assert opened.change_visibility([VisibilityChange(handle, seconds)]) == {}
    assert len(queue.receive()) == (seconds == 0)
    if seconds and "127.0.0.1" not in queue.client.meta.endpoint_url:
        with pytest.raises(QueueError, match="beyond the limit"):
            opened.change_visibility([VisibilityChange(handle, 43_200)])


def test_a_part_that_fails_is_logged_and_changes_nothing_else(
    queue: TestQueue, aligner: VisibilityUpdater, caplog: pytest.LogCaptureFixture
) -> None:
    """One handle is of no receive any more: one log line, and the others have their time."""
    queue.send(envelope("a"), envelope("b"))
    records = queue.receive(visibility_seconds=0)
    records[0]["receiptHandle"] = "gone"
    aligner.update(settled(records, "a", "b"), NO_DEADLINE)
    told = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert len(told) == 1
    assert "visibility of 1 of 2 messages was not changed (ReceiptHandleIsInvalid" in told[0]
    (still_visible,) = queue.receive()
    assert still_visible["messageId"] == records[0]["messageId"]


@pytest.mark.parametrize("trouble", ["unreachable", "absent", "no ARN"])
def test_failing_altogether_changes_no_outcome(
    sqs: SQSClient, trouble: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch's answer is the same, and one line says what went wrong, and how to fix it."""
    client: Any = sqs
    event = batch_of("a", "b")
    if trouble == "unreachable":
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{free_port()}")
        client = create_sqs_client(attempts=1, answer_seconds=1)
    if trouble == "no ARN":
        for record in event["Records"]:
            del record["eventSourceARN"]
    outcomes = Deduplicator(MemoryStore()).batches.settle(event, Worker("a", "b"), NO_DEADLINE)
    caplog.clear()
    VisibilityUpdater(client, lambda: 0.5).update(outcomes, NO_DEADLINE)
    told = [entry.getMessage() for entry in caplog.records]
    expected = {
        "unreachable": ["VPC endpoint"],
        "absent": ["there is no such queue"],
        "no ARN": [],
    }[trouble]
    assert len(told) == len(expected)
    assert all(words in line for words, line in zip(expected, told, strict=True))


@pytest.mark.parametrize(("remaining_ms", "requests"), [(1_499, 0), (1_500, 1)])
def test_it_stays_within_the_invocation(  # noqa: PLR0913, PLR0917 -- what it looks at
    queue: TestQueue,
    aligner: VisibilityUpdater,
    asked: list[list[int]],
    caplog: pytest.LogCaptureFixture,
    remaining_ms: int,
    requests: int,
) -> None:
    """With less time left than a request can take, there is none: the answer matters more."""
    queue.send(envelope("a"))
    outcomes = settled(queue.receive(), "a")
    aligner.update(outcomes, Invocation(Context(remaining_ms)))
    assert len(asked) == requests
    assert ("1499 ms of the invocation are left" in caplog.text) == (requests == 0)


def test_each_failure_says_what_to_do(queue: TestQueue) -> None:
    """By AWS's code: a missing permission is named, what may be retried is kept apart."""
    opened = SqsQueue(queue.client, queue.url)

    def answer(status: int, code: str) -> Any:
        parsed = {
            "Error": {"Code": code, "Message": "said"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

        class Response:
            status_code = status

        return lambda **_: (Response(), parsed)

    for status, code, words in (
        (403, "AccessDenied", "allow sqs:DeleteMessage on the queue"),
        (400, "ThrottlingException", "retrying helps"),
        (503, "ServiceUnavailable", "retrying helps"),
        (400, "InvalidAddress", "retrying does not help"),
    ):
        event = "before-call.sqs.DeleteMessageBatch"
        respond = answer(status, code)
        queue.client.meta.events.register(event, respond)
        with pytest.raises(QueueError, match=words) as caught:
            opened.delete(["h"])
        queue.client.meta.events.unregister(event, respond)
        assert caught.value.code == code
        assert queue.url in str(caught.value)
