"""Why a duplicate came: found from two origins, on every path a duplicate can take."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    Cause,
    Config,
    Deduplicator,
    InProgressError,
    MemoryStore,
    MessageStatus,
    Origin,
)
from cxone_idem.cause import REDRIVE_AFTER_MS, find_cause
from cxone_idem.record import NO_VERSION, Record, State, partition_key
from tests.support.documents import code_blocks, sections
from tests.support.events import Context, batch, envelope, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem import Outcome

SENT_MS = 1_800_000_000_000
FIRST = Origin("event", "message", 1, SENT_MS, None, "request")
AGAIN = replace(FIRST, request_id="another request")
OTHER_MESSAGE = replace(AGAIN, message_id="other message", sent_at_ms=SENT_MS + 1000)

TOLD = [
    (Cause.SQS_REDELIVERED, FIRST, replace(AGAIN, receive_count=2)),
    (Cause.SQS_REDELIVERED, replace(FIRST, receive_count=3), AGAIN),
    (Cause.SQS_REDELIVERED, FIRST, replace(AGAIN, receive_count=None)),
    (Cause.SQS_REDELIVERED, FIRST, replace(FIRST, receive_count=2)),
    (Cause.SQS_DELIVERED_TWICE, FIRST, AGAIN),
    (Cause.SQS_DELIVERED_TWICE, FIRST, replace(FIRST, request_id=None)),
    (Cause.EVENTBRIDGE_DELIVERED_TWICE, FIRST, OTHER_MESSAGE),
    (Cause.EVENTBRIDGE_DELIVERED_TWICE, FIRST, replace(OTHER_MESSAGE, request_id="request")),
    (Cause.EVENTBRIDGE_DELIVERED_TWICE, FIRST, replace(OTHER_MESSAGE, sent_at_ms=None)),
    (
        Cause.EVENTBRIDGE_DELIVERED_TWICE,
        FIRST,
        replace(OTHER_MESSAGE, sent_at_ms=SENT_MS + REDRIVE_AFTER_MS - 1),
    ),
    (
        Cause.DEAD_LETTER_REDRIVE,
        FIRST,
        replace(OTHER_MESSAGE, sent_at_ms=SENT_MS + REDRIVE_AFTER_MS),
    ),
    (
        Cause.DEAD_LETTER_REDRIVE,
        replace(OTHER_MESSAGE, sent_at_ms=SENT_MS + REDRIVE_AFTER_MS),
        FIRST,
    ),
    (Cause.CXONE_EMITTED_AGAIN, FIRST, replace(OTHER_MESSAGE, event_id="other event")),
    (
        Cause.CXONE_EMITTED_AGAIN,
        replace(FIRST, replay_name="r"),
        replace(OTHER_MESSAGE, event_id="other event", replay_name="r"),
    ),
    (Cause.ARCHIVE_REPLAY, FIRST, replace(OTHER_MESSAGE, replay_name="r")),
    (Cause.ARCHIVE_REPLAY, replace(OTHER_MESSAGE, replay_name="r"), FIRST),
    (Cause.ARCHIVE_REPLAY, FIRST, replace(OTHER_MESSAGE, replay_name="r", event_id="other")),
    (Cause.ARCHIVE_REPLAY, Origin(), replace(OTHER_MESSAGE, replay_name="r")),
    (
        Cause.EVENTBRIDGE_DELIVERED_TWICE,
        replace(FIRST, replay_name="r"),
        replace(OTHER_MESSAGE, replay_name="r"),
    ),
    (Cause.OWN_RETRY, FIRST, FIRST),
    (
        Cause.OWN_RETRY,
        Origin(event_id="event", request_id="request"),
        Origin(event_id="event", request_id="request"),
    ),
    (
        Cause.EVENTBRIDGE_DELIVERED_TWICE,
        Origin(event_id="event", request_id="request"),
        Origin(event_id="event", request_id="another request"),
    ),
    (Cause.UNKNOWN, Origin(), FIRST),
    (Cause.UNKNOWN, FIRST, Origin()),
    (Cause.UNKNOWN, Origin(), Origin()),
]


@pytest.mark.parametrize(("cause", "first", "origin"), TOLD)
def test_two_origins_show_the_cause(cause: Cause, first: Origin, origin: Origin) -> None:
    """Each cause by the ids that make it; what is in doubt goes the documented way."""
    assert find_cause(first, origin) is cause


def test_every_cause_that_origins_can_show_is_found() -> None:
    """The rows above leave none out; the one that is no duplicate is found by content."""
    assert {row[0] for row in TOLD} == set(Cause) - {Cause.NOT_A_DUPLICATE}


def test_readmes_table_of_causes_is_the_codes() -> None:
    """Name, evidence and advice are the same in README and in the code."""
    rows = [f"| `{cause.value}` | {cause.evidence} | {cause.advice} |" for cause in Cause]
    lines = sections()["Why was this a duplicate?"].splitlines()
    assert [line for line in lines if line.startswith("| `")] == rows


def test_readmes_hook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It tells both event ids of what was emitted again."""
    (block,) = code_blocks("Why was this a duplicate?")
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 -- README's own code
    for event_id in ("event-1", "event-2"):
        event = batch(record("m", envelope("k", id=event_id)), record("n", envelope("other")))
        event["Records"][0]["messageId"] += event_id
        names["deduplicator"].process_batch(event, lambda _: None)
    assert capsys.readouterr().out == "for the ticket: event-1 and event-2\n"


class Seen:
    """Keeps the outcomes that a deduplicator shows."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def told(self) -> list[tuple[MessageStatus, Cause | None]]:
        return [(outcome.status, outcome.cause) for outcome in self.outcomes]


def consume(
    store: MemoryStore, *records: dict[str, Any], request_id: str = "r"
) -> list[tuple[MessageStatus, Cause | None]]:
    """Deliver a batch to a process of its own; return what became of each message."""
    context = Context(30_000)
    context.aws_request_id = request_id
    seen = Seen()
    Deduplicator(store, on_outcome=seen).process_batch(
        batch(*records), lambda _: None, context=context
    )
    return seen.told()


def test_the_causes_of_a_batch_are_reported() -> None:
    """Done elsewhere, by redelivery, by EventBridge, by the producer, by a replay."""
    store = MemoryStore()
    message = record("m", envelope("k"))
    assert consume(store, message, request_id="1") == [(MessageStatus.COMPLETED, None)]
    again = record("m", envelope("k"), ApproximateReceiveCount="2")
    assert consume(store, again, request_id="2") == [
        (MessageStatus.ALREADY_DONE, Cause.SQS_REDELIVERED)
    ]
    assert consume(
        store,
        record("m2", envelope("k")),
        record("m3", envelope("k", id="emitted again")),
        record("m4", envelope("k", **{"replay-name": "monday"})),
        request_id="3",
    ) == [
        (MessageStatus.ALREADY_DONE, Cause.EVENTBRIDGE_DELIVERED_TWICE),
        (MessageStatus.SAME_BATCH, Cause.CXONE_EMITTED_AGAIN),
        (MessageStatus.SAME_BATCH, Cause.ARCHIVE_REPLAY),
    ]


def test_a_copy_in_its_own_batch_is_not_taken_for_a_retry() -> None:
    """Two records of one batch share their invocation; that says nothing of them."""
    message = record("m", envelope("k"))
    assert consume(MemoryStore(), message, message) == [
        (MessageStatus.COMPLETED, None),
        (MessageStatus.SAME_BATCH, Cause.SQS_DELIVERED_TWICE),
    ]


def test_in_progress_elsewhere_has_its_cause_too() -> None:
    """The worker at it has this very message, from an earlier receive."""
    store = MemoryStore()
    origin = Origin("event-of-k", "m", 1, 1698417000123, None, "0")
    assert Deduplicator(store).claim("k", origin=origin)
    again = record("m", envelope("k"), ApproximateReceiveCount="2")
    assert consume(store, again) == [(MessageStatus.IN_PROGRESS, Cause.SQS_REDELIVERED)]


def test_a_marker_without_origin_is_of_unknown_cause() -> None:
    """What a check-then-insert consumer left tells nothing of its delivery."""
    store = MemoryStore()
    store.put_if(Record(partition_key("", "k"), State.DONE, NO_VERSION, 0, 0, None), None)
    assert consume(store, record("m", envelope("k"))) == [
        (MessageStatus.ALREADY_DONE, Cause.UNKNOWN)
    ]


def test_claim_alone_reports_the_cause() -> None:
    """Whoever passes an origin can ask a refused claim why; the error survives pickling."""
    store = MemoryStore()
    first = Deduplicator(store)
    claim = first.claim("k", origin=FIRST)
    assert claim
    second = Deduplicator(store)
    with pytest.raises(InProgressError) as caught:
        second.claim("k", origin=AGAIN)
    assert caught.value.cause is Cause.SQS_DELIVERED_TWICE
    assert pickle.loads(pickle.dumps(caught.value)).cause is Cause.SQS_DELIVERED_TWICE  # noqa: S301
    claim.complete()
    for deduplicator in (first, second):
        outcome = deduplicator.claim("k", origin=OTHER_MESSAGE)
        assert not outcome
        assert outcome.cause is Cause.EVENTBRIDGE_DELIVERED_TWICE
    silent = second.claim("k")
    assert not silent
    assert silent.cause is Cause.UNKNOWN


def test_what_is_no_duplicate_has_no_cause() -> None:
    """Neither a first delivery, nor one that failed, nor one that was not protected."""
    store = MemoryStore()
    assert consume(store, record("m", "no json"), record("n", envelope("k"))) == [
        (MessageStatus.KEY_MISSING, None),
        (MessageStatus.COMPLETED, None),
    ]
    seen = Seen()
    Deduplicator(store, Config(disabled=True), on_outcome=seen).process_batch(
        batch(record("n", envelope("k"))), lambda _: None
    )
    assert seen.told() == [(MessageStatus.UNPROTECTED, None)]


def test_on_outcome_is_called_once_a_message_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the batch's order; one that raises is logged, and the next call is still made."""
    calls: list[str] = []

    def raises(outcome: Outcome) -> None:
        calls.append(outcome.message.id)
        raise RuntimeError

    event = batch(record("a", envelope("k")), record("b", "bad"), record("c", envelope("k")))
    response = Deduplicator(MemoryStore(), on_outcome=raises).process_batch(event, lambda _: None)
    assert response == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert calls == ["a", "b", "c"]
    assert caplog.text.count("an observer of the batch failed") == 3


def test_the_hook_comes_with_the_environments_deduplicator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`from_environ` takes the hook too; what cannot be called is refused at once."""
    monkeypatch.setenv("CXONE_IDEM_DISABLED", "true")
    seen = Seen()
    deduplicator = Deduplicator.from_environ(on_outcome=seen)
    deduplicator.process_batch(batch(record("a", envelope("k"))), lambda _: None)
    assert [outcome.message.id for outcome in seen.outcomes] == ["a"]

    async def hook(_: Sequence[Outcome]) -> None:
        """Never be called."""

    for wrong in ("hook", hook):
        with pytest.raises(TypeError, match="on_outcome"):
            Deduplicator(MemoryStore(), on_outcome=wrong)  # type: ignore[arg-type]
