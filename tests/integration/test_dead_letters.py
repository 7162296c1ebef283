"""Dead letters with the record in hand: nothing done is repeated, nothing undone is lost."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, DynamoDBStore
from cxone_idem.cli.output import Exit
from cxone_idem.errors import QueueError
from cxone_idem.record import NO_VERSION, Record, State
from cxone_idem.sqs.dead_letters import DeadLetters, Verdict, decide
from cxone_idem.sqs.queue import SqsQueue
from cxone_idem.stores.dynamodb_admin import RecordReader
from tests.support.command import Said, run
from tests.support.documents import code_blocks
from tests.support.engines import DynamoDBTable, send
from tests.support.events import envelope
from tests.support.queues import TestQueue, sqs_on
from tests.unit.test_sns import notification

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW_MS = 1_800_000_000_000


def record(state: State, **fields: Any) -> Record:
    """Return a record that is within its retention."""
    known: dict[str, Any] = {"expires_at": NOW_MS // 1000 + 60, **fields}
    return Record("k", state, "v", 1, lease_until_ms=NOW_MS + 1000, **known)


@pytest.mark.parametrize(
    ("seen", "fingerprint", "expected"),
    [
        (None, None, Verdict.SEND_BACK),
        (record(State.RELEASED), None, Verdict.SEND_BACK),
        (record(State.IN_PROGRESS), None, Verdict.SEND_BACK),
        (record(State.DONE), None, Verdict.DROP),
        (record(State.DONE, expires_at=None), None, Verdict.DROP),
        (record(State.DONE, expires_at=NOW_MS // 1000), None, Verdict.SEND_BACK),
        (record(State.DONE, fingerprint="f"), "f", Verdict.DROP),
        (record(State.DONE, fingerprint="f"), "other", Verdict.KEEP),
        (Record("k", State.DONE, NO_VERSION, 0, 0, None), "f", Verdict.DROP),
    ],
)
def test_only_what_is_surely_done_is_dropped(
    seen: Record | None, fingerprint: str | None, expected: Verdict
) -> None:
    """Within its retention, and of the same content; everything else is worth another delivery."""
    assert decide(seen, fingerprint, NOW_MS)[0] is expected


def test_what_may_not_be_tried_again_is_kept() -> None:
    """Sent back, it would fail unrun; without a cap it is worth another delivery."""
    released = record(State.RELEASED)
    assert decide(released, None, NOW_MS, max_attempts=1)[0] is Verdict.KEEP
    assert decide(released, None, NOW_MS, max_attempts=2)[0] is Verdict.SEND_BACK


class Killed(BaseException):
    """The end of a process, at a call to AWS."""


class Stage:
    """A queue with its dead-letter queue, and the table of their consumer."""

    def __init__(self, client: Any, *, fifo: bool = False) -> None:
        self.dead = TestQueue(client, fifo=fifo)
        policy = json.dumps({"deadLetterTargetArn": self.dead.arn, "maxReceiveCount": "1"})
        self.source = TestQueue(client, fifo=fifo, RedrivePolicy=policy)
        self.endpoint = client.meta.endpoint_url
        self.table = DynamoDBTable(frozenset(), self.endpoint, send)
        self.config = Config(table=self.table.name)
        self.worker = Deduplicator(DynamoDBStore(self.table.name, self.table.client))

    def bury(self, *keys: str | None, group: str | None = None) -> None:
        """Have SQS move events to the dead-letter queue."""
        for key in keys:
            self.source.send(envelope(key, id=""), group=group)
            while self.source.receive(visibility_seconds=0):
                pass

    def letters(self) -> DeadLetters:
        """Return the dead letters, as the command sees them."""
        queue = SqsQueue(self.dead.client, self.dead.url)
        return DeadLetters(queue, RecordReader(self.config, self.table.client), self.config)

    def command(self, *options: str, typed: str = "") -> Said:
        """Run the command on the dead-letter queue."""
        return run(
            ["dead-letters", "--queue", self.dead.name, *options],
            typed,
            AWS_ENDPOINT_URL=self.endpoint,
            CXONE_IDEM_TABLE=self.table.name,
        )

    def do(self, key: str) -> None:
        """Have the work on a key done."""
        assert self.worker.claim(key)
        self.worker.complete(key)


def keys_in(queue: TestQueue) -> list[str]:
    """Return the keys of the events that are visible."""
    return [event["detail"]["IdempotencyKey"] for event in queue.bodies()]


pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def sqs() -> Iterator[Any]:
    """Return a client of SQS, on an engine that has tables too."""
    with sqs_on("ministack") as client:
        yield client


@pytest.fixture(autouse=True)
def _an_empty_queue_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking all of SQS's servers takes a second; there is one here."""
    monkeypatch.setattr("cxone_idem.sqs.dead_letters._POLL_SECONDS", 0)


@pytest.fixture
def stage(sqs: Any) -> Stage:
    """Return fresh queues and a fresh table: `a` is done, `b` in progress, `c` was never seen."""
    made = Stage(sqs)
    made.do("a")
    assert made.worker.claim("b")
    made.bury("a", "b", "c")
    return made


def test_a_list_changes_nothing(stage: Stage) -> None:
    """Without options each message is shown with its record and a verdict, and is visible."""
    said = stage.command("--json")
    assert said.exit is Exit.OK
    found = {
        letter["key"]: (letter["verdict"], letter["record"] and letter["record"]["state"])
        for letter in said.data
    }
    assert found == {
        "a": ("drop", "DONE"),
        "b": ("send back", "IN_PROGRESS"),
        "c": ("send back", None),
    }
    assert not any(letter["acted"] for letter in said.data)
    assert stage.dead.counts() == (3, 0)
    assert stage.source.counts() == (0, 0)
    assert stage.table.name in said.err
    assert "set CXONE_IDEM_NAMESPACE" in said.err
    assert said.err.endswith("3 messages: 0 dropped or sent back, 3 left there\n")
    lines = stage.command().out.splitlines()
    assert lines[0].startswith("message\tsent\tkey\trecord")
    assert len(lines) == 4


def test_what_is_done_is_dropped_and_the_rest_sent_back(stage: Stage) -> None:
    """README's own line; the events are what they were, and the dead-letter queue is empty."""
    *_, line = code_blocks("Dead letters", "sh")[0].splitlines()
    options = [word for word in line.split() if word in {"--drop-done", "--send-back"}]
    assert len(options) == 2
    said = stage.command(*options, typed="y\n")
    assert said.exit is Exit.OK
    assert stage.dead.counts() == (0, 0)
    assert sorted(keys_in(stage.source)) == ["b", "c"]
    assert said.out.count("dropped") == 1
    assert said.out.count("sent back") == 2


@pytest.mark.parametrize(
    ("options", "left", "back"),
    [
        (["--drop-done"], 2, 0),
        (["--send-back"], 1, 2),
        (["--drop-done", "--send-back", "--dry-run"], 3, 0),
    ],
    ids=["drop only", "send back only", "dry run"],
)
def test_only_what_was_asked_for_is_done(
    stage: Stage, options: list[str], left: int, back: int
) -> None:
    """The others stay, visible."""
    assert stage.command(*options, "--yes").exit is Exit.OK
    assert stage.dead.counts() == (left, 0)
    assert stage.source.counts() == (back, 0)


def test_a_no_changes_nothing(stage: Stage) -> None:
    """Nothing was received yet."""
    assert stage.command("--send-back", typed="n\n").exit is Exit.REFUSED
    assert stage.dead.counts() == (3, 0)


def test_a_message_goes_back_with_all_that_it_had(sqs: Any) -> None:
    """Attributes, text and binary, and the trace of the producer."""
    stage = Stage(sqs)
    attributes: Any = {
        "tenant": {"DataType": "String", "StringValue": "t1"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace: Any = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-abc"}}
    sqs.send_message(
        QueueUrl=stage.source.url,
        MessageBody=json.dumps(envelope("k")),
        MessageAttributes=attributes,
        MessageSystemAttributes=trace,
    )
    stage.bury()
    stage.source.receive(visibility_seconds=0)
    stage.source.receive(visibility_seconds=0)
    (letter,) = stage.letters().walk(Verdict.SEND_BACK)
    assert letter.acted
    (back,) = sqs.receive_message(
        QueueUrl=stage.source.url, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"]
    assert back["MessageAttributes"] == attributes
    assert back["Attributes"]["AWSTraceHeader"] == "Root=1-abc"
    assert back["MessageId"] != letter.message_id


def test_a_fifo_message_goes_back_to_its_group_and_is_delivered(sqs: Any) -> None:
    """Within five minutes of its first sending too, when SQS would swallow its deduplication id."""
    stage = Stage(sqs, fifo=True)
    stage.bury("a", "b", "c", group="g")
    list(stage.letters().walk(Verdict.SEND_BACK))
    assert stage.dead.counts() == (0, 0)
    records = stage.source.receive()
    assert [json.loads(one["body"])["detail"]["IdempotencyKey"] for one in records] == list("abc")
    assert {one["attributes"]["MessageGroupId"] for one in records} == {"g"}


def test_sent_twice_a_fifo_message_is_there_once(sqs: Any) -> None:
    """Killed before the deletion and run again, SQS itself recognises the second sending."""
    stage = Stage(sqs, fifo=True)
    stage.bury("a", group="g")
    _killed_at(stage, 4, before=True)
    assert stage.source.counts() == (1, 0)
    list(stage.letters().walk(Verdict.SEND_BACK))
    assert stage.dead.counts() == (0, 0)
    assert stage.source.counts() == (1, 0)


@pytest.mark.parametrize("trouble", ["no key", "foreign item", "no source"])
def test_what_cannot_be_decided_or_sent_is_kept(sqs: Any, trouble: str) -> None:
    """Its neighbours are settled all the same, and the reason is told."""
    stage = Stage(sqs)
    stage.do("a")
    stage.bury("a")
    if trouble == "no key":
        stage.bury(None)
    elif trouble == "foreign item":
        stage.table.put_raw({"id": {"S": "f"}, "status": {"S": "INPROGRESS"}})
        stage.bury("f")
    else:
        stage.dead.send(envelope("s"))
    letters = {letter.key: letter for letter in stage.letters().walk(*Verdict)}
    assert letters["a"].acted
    (kept,) = (letter for letter in letters.values() if letter.verdict is Verdict.KEEP)
    expected = {
        "no key": "no usable key",
        "foreign item": "not written by this library",
        "no source": "--to",
    }
    assert expected[trouble] in kept.reason
    assert not kept.acted
    assert stage.dead.counts() == (1, 0)


def test_what_sns_wrapped_is_judged_by_the_event_inside(sqs: Any) -> None:
    """With the consumer's own `--decode`; without it nothing is known of it, and it is kept."""
    stage = Stage(sqs)
    stage.do("a")
    stage.source.send(notification(envelope("a")))
    stage.bury()
    while stage.source.receive(visibility_seconds=0):
        pass
    (letter,) = stage.command("--json").data
    assert letter["verdict"] == "keep"
    assert "pass decode=cxone_idem.sns.decode" in letter["reason"]
    (letter,) = stage.command("--json", "--decode", "cxone_idem.sns:decode").data
    assert (letter["verdict"], letter["key"]) == ("drop", "a")


def test_a_target_may_be_named(stage: Stage) -> None:
    """For letters that EventBridge wrote, which name no queue; but never the queue itself."""
    other = TestQueue(stage.dead.client)
    assert stage.command("--send-back", "--to", other.name, "--yes").exit is Exit.OK
    assert sorted(keys_in(other)) == ["b", "c"]
    assert stage.command("--send-back", "--to", stage.dead.url, "--yes").exit is Exit.USAGE


def test_a_letter_that_dies_again_is_not_sent_in_a_circle(stage: Stage) -> None:
    """A consumer that fails at once fills the queue anew: the walk ends."""
    letters = stage.letters()
    walk = letters.walk(Verdict.SEND_BACK)
    next(walk)
    count = 1
    for _ in islice(walk, 9):
        count += 1
        while stage.source.receive(visibility_seconds=0):
            pass
    while stage.source.receive(visibility_seconds=0):
        pass
    assert count == 3
    assert stage.dead.counts() == (3, 0)


def test_without_the_store_nothing_is_touched(stage: Stage) -> None:
    """It fails, and says why; every message is visible."""
    stage.table.client.delete_table(TableName=stage.table.name)
    said = stage.command("--drop-done", "--send-back", "--yes")
    assert said.exit is Exit.NOT_FOUND
    assert "there is no such table" in said.err
    assert stage.dead.counts() == (3, 0)


def test_a_deletion_that_fails_is_told(stage: Stage) -> None:
    """The letter was sent, so it is there twice; what was settled before is told too."""
    walk = stage.letters().walk(*Verdict)
    next(walk)
    stage.dead.client.purge_queue(QueueUrl=stage.dead.url)
    with pytest.raises(QueueError, match="was not deleted"):
        next(walk)


def _killed_at(stage: Stage, call: int, *, before: bool) -> bool:
    """Settle the letters in a process killed at its nth call; tell whether there was one.

    What it had received is visible again at once, as if the time had passed.
    """
    calls = 0
    handles: list[str] = []

    def die(**_: object) -> None:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise Killed

    def keep(parsed: dict[str, Any], **_: object) -> None:
        handles.extend(message["ReceiptHandle"] for message in parsed.get("Messages", ()))

    phase = "before-call" if before else "after-call"
    clients = (stage.dead.client, stage.table.client)
    stage.dead.client.meta.events.register_first("after-call.sqs.ReceiveMessage", keep)
    for client in clients:
        client.meta.events.register(phase, die)
    try:
        list(stage.letters().walk(*Verdict))
        killed = False
    except Killed:
        killed = True
    for client in clients:
        client.meta.events.unregister(phase, die)
    stage.dead.client.meta.events.unregister("after-call.sqs.ReceiveMessage", keep)
    for handle in handles:
        entry: Any = {"Id": "0", "ReceiptHandle": handle, "VisibilityTimeout": 0}
        stage.dead.client.change_message_visibility_batch(QueueUrl=stage.dead.url, Entries=[entry])
    return killed


@pytest.mark.parametrize("before", [True, False], ids=["before the call", "after the call"])
def test_killed_at_any_call_nothing_is_lost(sqs: Any, *, before: bool) -> None:
    """Killed at each call in turn and run again, what is undone is back, what is done is gone."""
    stage = Stage(sqs)
    stage.do("done")
    call = 1
    killed = True
    while killed:
        stage.bury("done", "undone")
        killed = _killed_at(stage, call, before=before)
        list(stage.letters().walk(*Verdict))
        assert stage.dead.counts() == (0, 0)
        assert set(keys_in(stage.source)) == {"undone"}
        stage.source.client.purge_queue(QueueUrl=stage.source.url)
        call += 1
    # Receive; look and delete; look, send and delete; the receive that finds no more.
    assert call - 2 >= 7
