"""What the log says, through the formatters that people use: fields for machines, no payload."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from awslambdaric.lambda_runtime_log_utils import JsonFormatter

from cxone_idem import Config, Deduplicator, MemoryStore, once
from cxone_idem.record import State
from cxone_idem.sqs.logs import FIELD
from cxone_idem.sqs.outcome import MessageStatus
from tests.support.documents import code_blocks
from tests.support.events import Context, batch, envelope, record
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "+1-555-0100"


class Log:
    """What is logged, as JSON lines by one of the formatters."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._text = io.StringIO()
        self.handler = logging.StreamHandler(self._text)
        self.handler.setFormatter(formatter)

    def text(self) -> str:
        return self._text.getvalue()

    def fields(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.text().splitlines() if line]
        return [line[FIELD] for line in lines if FIELD in line]


@pytest.fixture(params=[JsonFormatter, LambdaPowertoolsFormatter], ids=["Lambda", "Powertools"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """Return the library's log by Lambda's own JSON formatter, and by Powertools' Logger's."""
    log = Log(request.param())
    logger = logging.getLogger("cxone_idem")
    logger.addHandler(log.handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield log
    logger.setLevel(level)
    logger.removeHandler(log.handler)


def message(message_id: str, key: str, **fields: Any) -> dict[str, Any]:
    """Return an SQS record with something secret in its event."""
    event = envelope(key, **fields)
    event["detail"]["customerNumber"] = SECRET
    return record(message_id, event)


def consume(store: Any, *records: dict[str, Any], handler: Any = None, **settings: Any) -> None:
    """Deliver a batch to a process of its own."""
    deduplicator = Deduplicator(store, Config(**settings))
    deduplicator.process_batch(
        batch(*records), handler or (lambda _: None), context=Context(30_000)
    )


def test_a_duplicate_is_logged_with_its_evidence(log: Log) -> None:
    """Both deliveries' ids and times are in one line: enough for a ticket."""
    store = MemoryStore()
    consume(store, message("m", "k"))
    consume(store, message("m2", "k", id="event-2"))
    told = next(fields for fields in log.fields() if fields.get("status") == "already_done")
    assert told.pop("first_done_at_ms") > 0
    assert told == {
        "status": "already_done",
        "cause": "cxone_emitted_again",
        "key": "k",
        "event_id": "event-2",
        "message_id": "m2",
        "receive_count": 1,
        "sent_at_ms": 1698417000123,
        "request_id": "request-1",
        "first_event_id": "event-of-k",
        "first_message_id": "m",
        "first_receive_count": 1,
        "first_sent_at_ms": 1698417000123,
        "first_request_id": "request-1",
        "generation": 1,
    }


def test_every_batch_has_a_line_of_counts(log: Log) -> None:
    """Fates and causes, each by its name."""
    consume(MemoryStore(), message("m", "k"), message("m2", "k"), record("m3", "bad"))
    assert log.fields()[-1] == {
        "batch": 3,
        "statuses": {"completed": 1, "same_batch": 1, "key_missing": 1},
        "causes": {"eventbridge_delivered_twice": 1},
    }


def test_a_duplicate_without_a_batch_is_logged_too(log: Log) -> None:
    """Straight from EventBridge: Lambda's retry of the invocation, and EventBridge's own."""

    @once(deduplicator=Deduplicator(MemoryStore()))
    def handler(event: dict[str, Any], context: Any) -> None:
        """Do nothing."""

    for request_id in ("1", "1", "2"):
        context = Context(30_000)
        context.aws_request_id = request_id
        handler(envelope("k"), context)
    told = [fields for fields in log.fields() if fields["status"] == "already_done"]
    assert [fields["cause"] for fields in told] == ["own_retry", "eventbridge_delivered_twice"]
    assert told[1]["first_request_id"] == "1"
    assert "conv-123" not in log.text()


def _raise(_: Any) -> None:
    raise RuntimeError


def _twice(store: FailingStore, *, fingerprint: str = "") -> None:
    for event_id in "12":
        event = message("m", "k", id=event_id)
        consume(store, event, fingerprint=fingerprint)


def _fails(state: State) -> Callable[[FailingStore], None]:
    def play(store: FailingStore) -> None:
        store.fails = state
        consume(store, message("m", "k"))

    return play


def _held(store: FailingStore) -> None:
    claim = Deduplicator(store).claim("k")
    assert claim
    consume(store, message("m", "k"))


PLAYS: dict[MessageStatus, Callable[[FailingStore], None]] = {
    MessageStatus.COMPLETED: lambda store: consume(store, message("m", "k")),
    MessageStatus.ALREADY_DONE: _twice,
    MessageStatus.SAME_BATCH: lambda store: consume(store, message("m", "k"), message("n", "k")),
    MessageStatus.IN_PROGRESS: _held,
    MessageStatus.FINGERPRINT_MISMATCH: lambda store: _twice(store, fingerprint="id"),
    MessageStatus.HANDLER_FAILED: lambda store: consume(store, message("m", "k"), handler=_raise),
    MessageStatus.KEY_MISSING: lambda store: consume(store, record("m", '{"x": "' + SECRET + '"}')),
    MessageStatus.STORE_FAILED: _fails(State.IN_PROGRESS),
    MessageStatus.UNRECORDED: _fails(State.DONE),
}


@pytest.mark.parametrize("status", PLAYS, ids=lambda status: status.value)
def test_each_status_is_logged_without_the_payload(log: Log, status: MessageStatus) -> None:
    """One line a message with its status as a field; nothing of the event but its ids and key."""
    PLAYS[status](FailingStore(MemoryStore()))
    told = [fields for fields in log.fields() if fields.get("status") == status.value]
    assert [fields["message_id"] for fields in told] == [
        "n" if status is MessageStatus.SAME_BATCH else "m"
    ]
    assert SECRET not in log.text()
    assert "conv-123" not in log.text()


def test_a_handlers_error_comes_with_its_traceback(log: Log) -> None:
    """It is the one to be fixed, so the log says where it was raised."""
    consume(MemoryStore(), message("m", "k"), handler=_raise)
    assert "RuntimeError" in log.text()
    assert "in _raise" in log.text()


def test_readmes_queries_ask_for_fields_that_logs_have(log: Log) -> None:
    """Every field that a query names was seen in a log."""
    for play in PLAYS.values():
        play(FailingStore(MemoryStore()))
    seen = {name for fields in log.fields() for name in fields}
    queries = code_blocks("Logs, metrics and alarms", "text")
    assert len(queries) == 3
    for query in queries:
        asked = set(re.findall(rf"{FIELD}\.(\w+)", query))
        assert asked
        assert asked <= seen
