"""Text that comes from events: it forges no line of a log, and makes none long."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    AlreadyDone,
    AttemptsExhaustedError,
    ClaimLostError,
    Config,
    Deduplicator,
    IdemError,
    InProgressError,
    MemoryStore,
    Origin,
    ResultMissingError,
    StoreError,
    once,
)
from cxone_idem.cli.output import origin as origin_in_words
from cxone_idem.errors import FingerprintMismatchError
from cxone_idem.record import Record, State
from cxone_idem.sqs.logs import FIELD
from cxone_idem.stores.dynamodb_errors import Source, read_item
from cxone_idem.stores.dynamodb_item import Layout
from cxone_idem.text import legible, quoted, shortened
from tests.support.events import Context, batch, envelope, failed, record
from tests.support.failing_store import FailingStore
from tests.support.strict_store import StrictStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORGED = "x\nERROR forged\r\x1b[31mred\x85\u2028\u202e\u2066\x00\x7f\ud800' \" \\ {0} %s"
LONG = "k" * 100_000
LINE_MAX = 2000
EVIL = {"forged": FORGED, "long": LONG, "both": FORGED * 5000}


def assert_harmless(line: str) -> None:
    """Check that a line is one, short, and holds nothing that cannot be printed."""
    assert len(line) < LINE_MAX
    assert line.isprintable()


class Lines(logging.Handler):
    """Each line as a formatter of text writes it, and the fields that go along."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.fields: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.exc_info is None or isinstance(record.exc_info, tuple)
        self.lines.append(record.getMessage())
        self.fields.append(getattr(record, FIELD, {}))
        if record.exc_info and isinstance(record.exc_info[1], IdemError):
            self.lines.append(str(record.exc_info[1]))


@pytest.fixture
def log() -> Iterator[Lines]:
    """Return all that the library says, down to DEBUG."""
    logger, lines = logging.getLogger("cxone_idem"), Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    yield lines
    logger.setLevel(level)
    logger.removeHandler(lines)


@pytest.fixture(params=list(EVIL))
def text(request: pytest.FixtureRequest) -> str:
    """Return a text that somebody put into an event."""
    return EVIL[request.param]


def message(text: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a message in which every text that may be logged is `text`."""
    event = envelope(text, id=text, **{"replay-name": text, **fields})
    return record(f"{number}{text}", event, group=text)


def deliver(
    store: Any, *messages: dict[str, Any], config: Config | None = None, handler: Any = print
) -> list[str]:
    """Deliver a batch to a process of its own."""
    deduplicator = Deduplicator(store, config or Config(fingerprint="none"))
    return failed(deduplicator.process_batch(batch(*messages), handler, context=Context(30_000)))


def _raise(_: Any) -> None:
    raise RuntimeError


def _fails(state: State) -> Callable[[str], None]:
    def play(text: str) -> None:
        store = FailingStore(MemoryStore())
        store.fails = state
        deduplicator = Deduplicator(store)
        for _ in range(2):
            handler = _raise if state is State.RELEASED else lambda _: None
            deduplicator.process_batch(batch(message(text)), handler)
        store.fails = None
        deduplicator.process_batch(batch(record("m", envelope("other"))), lambda _: None)

    return play


def _twice(text: str) -> None:
    store = StrictStore()
    for number in range(2):
        deliver(store, message(text, number), message(text, 2), handler=lambda _: None)


def _held(text: str) -> None:
    store = StrictStore()
    assert Deduplicator(store).claim(text)
    deliver(store, message(text))


def _other(text: str) -> None:
    config = Config(fingerprint="detail.conversationId")
    store = StrictStore()
    for number in range(2):
        event = message(text, detail={"IdempotencyKey": text, "conversationId": number})
        deliver(store, event, config=config, handler=lambda _: None)


def _tired(text: str) -> None:
    store = StrictStore()
    for _ in range(2):
        deliver(store, message(text), config=Config(max_attempts=1), handler=_raise)


def _by_once(text: str) -> None:
    @once(deduplicator=Deduplicator(MemoryStore()), store_result=True)
    def handler(event: dict[str, Any]) -> object:
        return event["result"]

    for result in (object(), "x" * 300_000):
        event = {**envelope(f"{text}{type(result)}", id=text), "result": result}
        handler(event)
        with pytest.raises(ResultMissingError):
            handler(event)


def _of_no_event(text: str) -> None:
    for body in (text, json.dumps(text), json.dumps({text: text}), json.dumps([text])):
        deliver(StrictStore(), record(text, body))


PLAYS = {
    "done": _twice,
    "in progress": _held,
    "other content": _other,
    "exhausted": _tired,
    "not claimed": _fails(State.IN_PROGRESS),
    "unrecorded": _fails(State.DONE),
    "not released": _fails(State.RELEASED),
    "once": _by_once,
    "no event": _of_no_event,
}


@pytest.mark.parametrize("play", PLAYS)
def test_no_line_is_forged_or_long(log: Lines, play: str, text: str) -> None:
    """In words and in fields, whatever becomes of the message."""
    PLAYS[play](text)
    assert log.lines
    for line in log.lines:
        assert_harmless(line)
    for fields in log.fields:
        for value in fields.values():
            assert_harmless(str(value))
        json.dumps(fields, ensure_ascii=False).encode()


def _errors(text: str) -> list[IdemError]:
    origin = Origin(event_id=text, message_id=text)
    done = Record(text, State.DONE, "v", 1, 0, None, origin=origin, fingerprint="f")
    return [
        AttemptsExhaustedError(text, 1, done),
        ClaimLostError(text, "gone"),
        InProgressError(text, 1, done),
        FingerprintMismatchError(text, done, origin),
        ResultMissingError(text),
    ]


def test_no_error_is_forged_or_long(text: str) -> None:
    """Errors are logged by whoever gets them."""
    for error in _errors(text):
        assert_harmless(str(error))
    assert_harmless(repr(AlreadyDone(text, Record(text, State.DONE, "v", 1, 0, None))))
    assert_harmless(repr(Deduplicator(StrictStore()).claim(text)))
    item = {"id": {"S": text}, "version": {"S": text}}
    with pytest.raises(StoreError) as caught:
        read_item(item, text, Source("table", Layout(), "PutItem"))
    assert_harmless(str(caught.value))
    assert_harmless(origin_in_words(Origin(event_id=text, replay_name=text)))


@pytest.mark.parametrize(
    "event",
    [
        lambda text: {"eventSource": text},
        lambda text: {"Records": [{"eventSource": text}]},
        lambda text: {"Records": [{"EventSource": text}] * 2},
    ],
)
def test_no_odd_event_forges_an_error(event: Callable[[str], Any], text: str) -> None:
    """What says that it is no SQS event quotes who it says it is from."""
    with pytest.raises(IdemError) as caught:
        Deduplicator(StrictStore()).process_batch(event(text), print)
    assert_harmless(str(caught.value))


def test_a_key_held_by_the_caller_is_quoted(text: str) -> None:
    """`@once` inside a batch names the key it shares with it."""
    deduplicator = Deduplicator(StrictStore())
    inner = once(deduplicator=deduplicator)(lambda _: None)
    said: list[str] = []

    def process_event(event: Any) -> None:
        with pytest.raises(IdemError) as caught:
            inner(event)
        said.append(str(caught.value))

    deduplicator.process_batch(batch(message(text)), process_event)
    assert_harmless(said[0])


def test_what_is_harmless_is_left_as_it_is() -> None:
    """Ordinary ids and keys read as they are, in every language."""
    for key in ("a1b2-c3", '["conv-1","start"]', "ключ", "C:\\x", "it's"):
        assert legible(key) == shortened(key) == key
        assert quoted(key) == repr(key)
    assert quoted("k" * 200) == repr("k" * 200)
    assert quoted("k" * 1203) == repr("k" * 200) + "... (1,003 more characters)"
    assert io.StringIO(legible("a\nb")).readlines() == ["a\\nb"]
