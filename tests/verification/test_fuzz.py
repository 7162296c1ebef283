"""Bad input of every kind: a clear error or a failed message, and never a crash of the batch."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cxone_idem import (
    AlreadyDone,
    Claimed,
    Config,
    ConfigError,
    Deduplicator,
    IdemError,
    KeyMissingError,
    MemoryStore,
)
from cxone_idem.events.envelope import parse_twice
from cxone_idem.events.key import find_key
from cxone_idem.setting import PREFIX, variable
from cxone_idem.stores.dynamodb_item import Layout
from tests.support.events import batch, envelope, failed, record
from tests.support.strict_store import StrictStore
from tests.verification import bad_input

if TYPE_CHECKING:
    from collections.abc import Iterator

fuzz = settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

VARIABLES = [*(variable(setting.name) for setting in fields(Config)), "CXONE_IDEM_OTHER"]


class Lines(logging.Handler):
    """Every line the library logs, as a formatter writes it, tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


@contextmanager
def logged() -> Iterator[Lines]:
    """Collect what the library logs in the block, down to DEBUG."""
    logger, lines = logging.getLogger("cxone_idem"), Lines()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # pytest would keep the lines of all examples
    try:
        yield lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
        logger.propagate = propagates


class Handler:
    """A `process_event` that keeps what it was given, and raises where a test says so."""

    def __init__(self, *raises_at: int) -> None:
        self.raises_at = raises_at
        self.seen: list[Any] = []
        self.calls = 0

    def __call__(self, event: Any) -> None:
        self.calls += 1
        if self.calls in self.raises_at:
            raise RuntimeError
        self.seen.append(event)


def all_done(store: MemoryStore, events: list[Any]) -> bool:
    """Tell whether the store says of each event that was run that it is done."""
    another = Deduplicator(store)
    keys = [find_key(parse_twice(json.dumps(event))[1], Config().key) for event in events]
    return all(isinstance(another.claim(key), AlreadyDone) for key in keys)


@fuzz
@given(st.lists(bad_input.fields, min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 5))
def test_a_bad_message_fails_alone(bad: list[Any], place: int, raises_at: int) -> None:
    """Its neighbours run, what ran is done in the store, and no payload is logged."""
    records = [{**fields, "messageId": f"m{number}"} for number, fields in enumerate(bad)]
    records.insert(place, record("good", envelope("the neighbour")))
    store, handler = StrictStore(), Handler(raises_at)
    with logged() as lines:
        ids = failed(Deduplicator(store).process_batch(batch(*records), handler))
    assert set(ids) <= {each["messageId"] for each in records}
    assert len(ids) == len(set(ids))
    assert ("good" in ids) is (envelope("the neighbour") not in handler.seen)
    assert "good" not in ids or handler.calls >= raises_at > 0
    assert all_done(store, handler.seen)
    assert len(ids) + len(handler.seen) <= len(records)
    assert f"batch of {len(records)}" in lines.text
    assert bad_input.SECRET not in lines.text


@fuzz
@given(bad_input.lambda_events)
@example({"Records": [{"messageId": "m", "attributes": {}, "eventSourceARN": 10**5000}]})
def test_an_odd_lambda_event_is_an_error_or_a_batch(event: Any) -> None:
    """`IdemError` before anything ran, or a response that names messages of the event."""
    store, handler = StrictStore(), Handler()
    try:
        ids = failed(Deduplicator(store).process_batch(event, handler))
    except IdemError:
        assert handler.calls == 0
        return
    assert len(ids) == len(set(ids))
    assert set(ids) <= {each["messageId"] for each in event["Records"]}
    assert all_done(store, handler.seen)


@fuzz
@given(bad_input.anything | st.binary() | st.complex_numbers() | st.tuples(bad_input.text))
def test_a_key_is_claimed_or_refused(key: Any) -> None:
    """Any non-blank text is a key that is done once completed; all else is `KeyMissingError`."""
    deduplicator = Deduplicator(StrictStore())
    if not isinstance(key, str) or not key.strip():
        with pytest.raises(KeyMissingError):
            deduplicator.claim(key)
        return
    assert isinstance(deduplicator.claim(key), Claimed)
    deduplicator.complete(key)
    assert isinstance(deduplicator.claim(key), AlreadyDone)


@pytest.mark.filterwarnings("ignore:deprecated string literal:PendingDeprecationWarning")
@settings(fuzz, max_examples=250)
@given(bad_input.expressions, bad_input.search_data)
def test_an_expression_is_refused_or_finds_a_key_or_none(expression: str, event: Any) -> None:
    """A mistake is a `ConfigError`; what goes wrong in a search is a missing key."""
    try:
        config = Config(key=expression)
    except ConfigError:
        return
    try:
        key = find_key(event, config.key)
    except KeyMissingError:
        return
    assert key.strip()


@pytest.mark.filterwarnings("ignore:deprecated string literal:PendingDeprecationWarning")
@fuzz
@given(st.dictionaries(st.sampled_from(VARIABLES), bad_input.text | bad_input.expressions))
def test_an_environment_is_refused_or_works(environ: dict[str, str]) -> None:
    """Any text of any variable is a `ConfigError`, or settings that a claim works under."""
    try:
        config = Config.from_environ(environ)
    except ConfigError as refused:
        mistakes = refused.mistakes
    else:
        mistakes = ()
        claim_under(config)
    assert all(mistake.startswith(PREFIX) for mistake in mistakes)


def claim_under(config: Config) -> None:
    """Claim and complete a key under settings that were accepted."""
    config.table.encode()
    store = StrictStore(Layout(config.partition_key, config.ttl_attribute))
    with logged():
        claim = Deduplicator(store, config).claim("k")
    assert claim
    claim.complete()
