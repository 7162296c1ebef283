"""PutEvents → rules → queue → event source mapping → the example → DynamoDB, with every duplicate.

One story is played for three queues at once: a standard and a FIFO one in front of the example, and
one in front of a control without the library. Each test looks at one stage of it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.pipeline.lane import MAX_RECEIVE_COUNT, Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.pipeline.stack import Stack
    from tests.support.journal import Journal

pytestmark = pytest.mark.engine

EMITTED_TWICE, TWO_RULES = "emitted twice", "matched by two rules"
# In a FIFO queue what fails holds up the messages behind it. Nothing before the poison fails.
FAULTS = {
    "done but dead": "dies until mended",
    "poison": "fails until mended",
    "fails": "fails once",
}
KEYS = ["plain 1", "plain 2", "plain 3", EMITTED_TWICE, TWO_RULES, *FAULTS]


class Story:
    """What came to each lane's function, in all and until its dead letters were sent back."""

    def __init__(self, lanes: list[Lane]) -> None:
        self.lanes = {lane.name: lane for lane in lanes}

    def happened(self, lane: str, key: str) -> list[dict[str, Any]]:
        """Return what happened to a key."""
        return self.lanes[lane].journal.entries(key=key)

    def happened_before_redrive(self, lane: str, key: str) -> list[dict[str, Any]]:
        """Return what happened to a key before what was broken was mended."""
        entries = self.lanes[lane].journal.entries()
        mended = [entry["what"] for entry in entries].index("mended")
        return [entry for entry in entries[:mended] if entry.get("key") == key]

    def effects(self, lane: str) -> Counter[str]:
        """Return how often each key had its effect."""
        return Counter(entry["key"] for entry in self.lanes[lane].journal.entries("effect"))


def different(field: str, entries: list[dict[str, Any]]) -> int:
    """Return how many different values a field of the deliveries has."""
    return len({entry[field] for entry in entries if entry["what"] == "delivered"})


@pytest.fixture(scope="module")
def story(stack: Stack, new_journal: Callable[[str], Journal]) -> Story:
    """Play the story: emit, drain, mend what is broken, send the dead letters back, drain."""
    lanes = [
        Lane(stack, "standard", "tests.support.watched.sqs.once", new_journal("standard")),
        Lane(stack, "fifo", "tests.support.watched.sqs.once", new_journal("fifo"), fifo=True),
        Lane(stack, "control", "tests.support.watched.sqs.every_time", new_journal("control")),
    ]
    targets = [lane.target() for lane in lanes]
    starts = {"source": ["nice.cxone"], "detail-type": ["conversation.start"]}
    stack.create_rule("starts", starts, targets)
    stack.create_rule("again", {"detail": {"IdempotencyKey": [TWO_RULES]}}, targets)
    played = Story(lanes)
    emit(stack, [*KEYS, EMITTED_TWICE])
    for lane in lanes:
        lane.drain()
        lane.journal.note("mended")
        lane.redrive()
    for lane in lanes:
        lane.drain()
    return played


def emit(stack: Stack, keys: list[str]) -> None:
    """Put events on the bus as the producer does."""
    entries = [
        {
            "Source": "nice.cxone",
            "DetailType": "conversation.start",
            "Detail": json.dumps({"IdempotencyKey": key, "fault": FAULTS.get(key)}),
        }
        for key in keys
    ]
    assert not stack.events.put_events(Entries=entries)["FailedEntryCount"]


@pytest.mark.parametrize("lane", ["standard", "fifo"])
def test_every_event_has_its_effect_once(story: Story, lane: str) -> None:
    """Whatever was repeated, lost its answer, failed or was a dead letter: one effect a key."""
    assert story.effects(lane) == dict.fromkeys(KEYS, 1)
    assert story.lanes[lane].dead_letters() == 0


def test_without_the_library_every_kind_of_duplicate_doubles(story: Story) -> None:
    """The duplicates are real: a function that processes what it gets has each effect again."""
    effects = story.effects("control")
    for key in (EMITTED_TWICE, TWO_RULES, "done but dead"):
        assert effects[key] > 1, key


@pytest.mark.parametrize("lane", ["standard", "fifo"])
def test_the_producer_emitted_twice(story: Story, lane: str) -> None:
    """Two events with ids of their own carried one `IdempotencyKey`."""
    assert different("event_id", story.happened(lane, EMITTED_TWICE)) == 2


def test_two_rules_matched(story: Story) -> None:
    """One event came in two messages; a FIFO queue would drop the second one itself."""
    happened = story.happened_before_redrive("standard", TWO_RULES)
    assert different("event_id", happened) == 1
    assert different("message_id", happened) == 2


@pytest.mark.parametrize("lane", ["standard", "fifo"])
def test_sqs_redelivered(story: Story, lane: str) -> None:
    """A message whose work was done came again, as its batch had lost its answer."""
    happened = story.happened_before_redrive(lane, "done but dead")
    assert [entry["what"] for entry in happened[:4]] == [
        *("delivered", "started", "effect"),
        "delivered",
    ]
    assert different("message_id", happened) == 1


@pytest.mark.parametrize("lane", ["standard", "fifo"])
def test_poison_became_a_dead_letter_without_an_effect(story: Story, lane: str) -> None:
    """After maxReceiveCount deliveries, each of which ran it, it was put aside."""
    happened = story.happened_before_redrive(lane, "poison")
    assert [entry["what"] for entry in happened] == ["delivered", "started"] * MAX_RECEIVE_COUNT


@pytest.mark.parametrize("lane", ["standard", "fifo"])
def test_redriven_messages_do_what_is_left(story: Story, records: Any, lane: str) -> None:
    """Under new message ids the poison, mended, ran at last; what was done was known as done."""
    for key in ("poison", "done but dead"):
        assert different("message_id", story.happened(lane, key)) == 2
    record = records.item(f"{lane}#poison")
    assert record["state"] == {"S": "DONE"}
    assert record["generation"] == {"N": str(MAX_RECEIVE_COUNT + 1)}


def test_what_waits_behind_poison_in_a_fifo_queue_shares_its_way(story: Story) -> None:
    """It comes back with the poison, which counts as received; nothing of it is lost."""
    happened = story.happened("fifo", "fails")
    assert different("message_id", happened) == 2
    before = [entry["what"] for entry in story.happened_before_redrive("fifo", "fails")]
    # It may run in the last of its deliveries, if the poison was delivered once before it came.
    assert before[:MAX_RECEIVE_COUNT] == ["delivered"] * MAX_RECEIVE_COUNT
    assert "effect" not in before
