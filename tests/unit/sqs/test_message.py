"""SQS messages as Lambda and EventBridge Pipes deliver them, and advice for all else."""

from __future__ import annotations

from threading import Barrier
from typing import Any

import pytest

from cxone_idem import (
    Config,
    Deduplicator,
    IdemError,
    MemoryStore,
    Message,
    current_message,
    once,
)
from tests.support.events import batch, batch_of, envelope, failed, record
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


PATIENCE_SECONDS = 60


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


def test_the_current_message_is_the_running_handlers() -> None:
    """In every thread of a batch; an `@once` function that it calls sees it too."""
    seen: dict[str, tuple[Message, Message]] = {}
    all_at_work = Barrier(4)
    store = MemoryStore()

    @once(key="['inner', id]", deduplicator=Deduplicator(store))
    def inner(_: Event) -> tuple[Message]:
        return (current_message(),)

    def handler(event: Event) -> None:
        all_at_work.wait(PATIENCE_SECONDS)
        found = inner(event)
        assert found
        seen[event["detail"]["IdempotencyKey"]] = (current_message(), *found)

    event = batch_of(*(f"key-{number}" for number in range(20)))
    assert failed(Deduplicator(store).process_batch(event, handler, max_workers=4)) == []
    ids = {key: {message.id for message in both} for key, both in seen.items()}
    assert ids == {f"key-{number}": {f"m{number}"} for number in range(20)}


@pytest.mark.parametrize("disabled", [False, True])
def test_a_message_has_what_sqs_said_of_it(disabled: bool) -> None:  # noqa: FBT001
    """With the kill switch thrown, too."""
    seen: list[Message] = []
    made = record("m", envelope("k"), group="g", fifo=True, ApproximateReceiveCount="3")
    made["messageAttributes"] = {"tenant": {"stringValue": "t", "dataType": "String"}}
    deduplicator = Deduplicator(MemoryStore(), Config(disabled=disabled))
    deduplicator.process_batch(batch(made), lambda _: seen.append(current_message()))
    (message,) = seen
    assert (message.id, message.receive_count, message.group) == ("m", 3, "g")
    assert message.message_attributes["tenant"]["stringValue"] == "t"
    assert message.attributes["SenderId"] == "AIDAEXAMPLE"
    assert message.record is made


@pytest.mark.parametrize("odd", [None, [], "text"])
def test_what_is_odd_is_left_out(odd: Any) -> None:
    """A message of a test, or of a pipe, may lack any of it."""
    seen: list[Message] = []
    made = {**record("m", envelope("k")), "messageAttributes": odd, "attributes": odd}
    Deduplicator(MemoryStore()).process_batch([made], lambda _: seen.append(current_message()))
    assert (seen[0].receive_count, seen[0].message_attributes) == (None, {})


def test_outside_a_handler_there_is_no_message_to_ask_for() -> None:
    """Before, after and in an `@once` function of its own, it is an error and never a wrong one."""
    deduplicator = Deduplicator(MemoryStore())

    def handler(_: Event) -> None:
        raise RuntimeError

    assert failed(deduplicator.process_batch(batch_of("k"), handler)) == ["m0"]
    alone = once(deduplicator=deduplicator)(lambda event: (event, current_message()))
    for ask in (current_message, lambda: alone(envelope("k"))):
        with pytest.raises(IdemError, match="pass the message to the threads"):
            ask()
