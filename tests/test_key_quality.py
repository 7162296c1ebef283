"""A key that is too coarse or too fine is named once, and good keys are left in peace."""

from __future__ import annotations

import logging
import tracemalloc
from typing import Any

import pytest

from cxone_idem import Config, Deduplicator, MemoryStore
from cxone_idem.key_quality import KeyQuality
from cxone_idem.outcome_log import FIELD
from cxone_idem.subject import Subject, find_subject
from tests.sqs_events import batch, envelope, record

HOUR_MS = 3_600_000
SENT_MS = 1_800_000_000_000


def event(number: int = 0, **detail: Any) -> dict[str, Any]:
    """Return an event of its own id; what is None is left out of its detail."""
    body = envelope("k", id=f"event-{number}")
    del body["detail"]["IdempotencyKey"]
    body["detail"].update(detail)
    body["detail"] = {name: value for name, value in body["detail"].items() if value is not None}
    return body


def consume(deduplicator: Deduplicator, *events: dict[str, Any], apart_ms: int = 1000) -> None:
    """Deliver each event in a batch of its own."""
    for number, body in enumerate(events):
        message = record(f"m{number}", body, SentTimestamp=str(SENT_MS + number * apart_ms))
        deduplicator.process_batch(batch(message), lambda _: None)


def findings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of the key, by name."""
    fields = [getattr(line, FIELD, {}) for line in caplog.records]
    return [found["finding"] for found in fields if "finding" in found]


def deduplicator(key: str, fingerprint: str = "") -> Deduplicator:
    """Return a process with an empty store."""
    return Deduplicator(MemoryStore(), Config(key=key, fingerprint=fingerprint))


def test_the_threads_answer_is_named_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """`detail.eventType`: the second conversation is already a lost event. Said once only."""
    consume(
        deduplicator("detail.eventType"),
        *(event(number, conversationId=f"conv-{number}") for number in range(5)),
    )
    assert findings(caplog) == ["key_too_coarse"]
    (said,) = (line for line in caplog.records if line.levelno == logging.WARNING)
    assert getattr(said, FIELD) == {
        "finding": "key_too_coarse",
        "key": "conversation.start",
        "first_event_id": "event-0",
        "event_id": "event-1",
    }
    assert "CXONE_IDEM_KEY, now 'detail.eventType'" in said.getMessage()
    assert "conv-" not in caplog.text


def test_a_conversation_as_key_is_too_coarse_for_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """Its start and its end are two events."""
    consume(deduplicator("detail.conversationId"), event(0), event(1, eventType="conversation.end"))
    assert findings(caplog) == ["key_too_coarse"]
    assert "differ in type" in caplog.text


def test_failing_by_content_is_seen_as_coarse_too(caplog: pytest.LogCaptureFixture) -> None:
    """The fingerprint saves the event; the key is still to be changed."""
    consume(
        deduplicator("detail.eventType", fingerprint="detail.conversationId"),
        event(0, conversationId="1"),
        event(1, conversationId="2"),
    )
    assert findings(caplog) == ["key_too_coarse"]


@pytest.mark.parametrize(
    ("events", "apart_ms", "found"),
    [(5, HOUR_MS // 4, True), (4, HOUR_MS, False), (50, HOUR_MS // 100, False)],
)
def test_without_conversations_many_events_far_apart_are_too_coarse(
    caplog: pytest.LogCaptureFixture,
    events: int,
    apart_ms: int,
    found: bool,  # noqa: FBT001
) -> None:
    """Five ids over an hour; fewer, or a burst, may be a producer that repeats itself."""
    consume(
        deduplicator("detail.eventType"),
        *(event(number, conversationId=None, timestamp=None) for number in range(events)),
        apart_ms=apart_ms,
    )
    assert findings(caplog) == (["key_too_coarse"] if found else [])


def test_a_key_of_each_emission_is_too_fine(caplog: pytest.LogCaptureFixture) -> None:
    """`id`, while CXone emits again: the third pair is no accident. Said once only."""
    deduplicated = deduplicator("id")
    pairs = [event(number, conversationId=f"conv-{number // 2}") for number in range(12)]
    consume(deduplicated, *pairs[:4])
    assert findings(caplog) == []
    consume(deduplicated, *pairs[4:])
    assert findings(caplog) == ["key_too_fine"]
    assert "now 'id', the EventBridge id, changes with each emission" in caplog.text
    assert "conv-" not in caplog.text


def test_one_event_emitted_many_times_is_one_accident(caplog: pytest.LogCaptureFixture) -> None:
    """Ten emissions of one event under ten keys are one subject."""
    consume(deduplicator("id"), *(event(number) for number in range(10)))
    assert findings(caplog) == []


def test_good_keys_are_left_in_peace(caplog: pytest.LogCaptureFixture) -> None:
    """Three hundred conversations, each event twice with another id, and each redelivered."""
    deduplicated = deduplicator("[detail.conversationId, detail.eventType]")
    for number in range(300):
        first = event(2 * number, conversationId=f"conv-{number}")
        again = event(2 * number + 1, conversationId=f"conv-{number}", timestamp="later")
        consume(deduplicated, first, again, again)
    assert findings(caplog) == []
    assert not [line for line in caplog.records if line.levelno >= logging.WARNING]


def test_a_fingerprint_that_finds_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Ten events of none; one with content shows that the expression works."""
    wrong = deduplicator("id", fingerprint="detail.conversation_id")
    consume(wrong, *(event(number, conversationId=str(number)) for number in range(20)))
    assert findings(caplog) == ["fingerprint_finds_nothing"]
    caplog.clear()
    right = deduplicator("id", fingerprint="detail.conversationId")
    some = [event(number, conversationId=None) for number in range(30)]
    consume(right, event(99), *some)
    assert findings(caplog) == []


def test_its_memory_is_bounded() -> None:
    """However many keys come, and however long they are."""
    seen: list[Any] = []
    Deduplicator(MemoryStore(), on_outcome=seen.append).process_batch(
        batch(
            *(
                record(f"m{n}", envelope(f"{n}" * 300, id=f"event-{n}-{'x' * 28}"))
                for n in range(3000)
            )
        ),
        lambda _: None,
    )
    quality = KeyQuality("id", "")
    tracemalloc.start()
    try:
        for outcome in seen:
            quality([outcome])
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 1_000_000


def test_odd_events_have_no_subject() -> None:
    """What is not where CXone has it is not guessed."""
    assert find_subject({}) == Subject()
    assert find_subject({"detail": "text"}) == Subject()
    assert find_subject({"detail": {"conversation": {"id": "c"}}, "detail-type": "t"}) == Subject(
        "c", "t", None
    )
    assert find_subject({"detail": {"conversationId": 5, "eventType": [], "timestamp": ""}}) == (
        Subject()
    )
