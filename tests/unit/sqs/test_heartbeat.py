"""The heartbeat: leases and messages are kept while a handler outlasts them, and only then."""

from __future__ import annotations

import logging
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import AlreadyDone, Claimed, Config, Deduplicator, InProgressError, MemoryStore
from cxone_idem.errors import QueueError
from cxone_idem.record import State
from cxone_idem.sqs.consumer import Service
from cxone_idem.sqs.heartbeat import Heartbeat
from cxone_idem.sqs.visibility import VISIBILITY_MAX_SECONDS
from tests.support.clocks import MovableClock, TellsTime
from tests.support.events import batch
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.protocol.held_claim import HeldClaim
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record
    from cxone_idem.sqs.queue import VisibilityChange

LEASE_SECONDS = 60
CONFIG = Config(lease_seconds=LEASE_SECONDS)


class Beats:
    """The time a heartbeat waits for: it passes when the test says so, and not by itself."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._due: SimpleQueue[None] = SimpleQueue()
        self._back: SimpleQueue[None] = SimpleQueue()

    def __call__(self, over: Event, seconds: float) -> bool:
        self._back.put(None)
        self.pauses.append(seconds)
        while not over.is_set():
            try:
                self._due.get(timeout=0.005)
            except Empty:
                continue
            return False
        return True

    def beat(self) -> None:
        """Have one beat, and return when it is over."""
        self._back.get(timeout=30)
        self._due.put(None)
        self._back.get(timeout=30)
        self._back.put(None)


class KeptMessages:
    """What is asked of SQS by a heartbeat whose queue is of no concern."""

    url = "http://127.0.0.1/q"

    def __init__(self) -> None:
        self.asked: list[list[VisibilityChange]] = []
        self.trouble: QueueError | None = None
        self.refused: dict[str, str] = {}

    def change_visibility(self, changes: list[VisibilityChange]) -> dict[str, str]:
        self.asked.append(changes)
        if self.trouble:
            raise self.trouble
        return self.refused


class Work:
    """One consumer at work on messages under a heartbeat, in the test's own time."""

    def __init__(self, store: Any, clock: MovableClock) -> None:
        self.store = TellsTime(store, clock)
        self.clock = clock
        self.beats = Beats()
        self.messages = KeptMessages()
        self.mine = self.worker()
        self.heartbeat = Heartbeat(self.mine.claims, self.messages, self.beats)  # type: ignore[arg-type]

    def worker(self) -> Deduplicator:
        return Deduplicator(self.store, CONFIG, now=self.clock)

    def pass_time(self) -> None:
        """Let most of a lease go by, and then one beat."""
        self.clock.advance(LEASE_SECONDS * 0.9)
        self.beats.beat()

    def run(self, process: Callable[[Any], object], *keys: str) -> list[str]:
        """Settle a batch under the heartbeat; return what became of each message."""
        records = [
            {"messageId": key, "receiptHandle": key, "body": envelope_text(key)} for key in keys
        ]
        with self.heartbeat.keeping(keys):
            outcomes = self.mine.batches.settle(batch(*records), process, Service())
        return [outcome.status.value for outcome in outcomes]


def envelope_text(key: str) -> str:
    """Return the body of a message."""
    return f'{{"detail": {{"IdempotencyKey": "{key}"}}}}'


@pytest.fixture
def work(clock: MovableClock) -> Work:
    """Return a consumer on a store in memory."""
    return Work(MemoryStore(), clock)


def test_a_handler_may_outlast_its_lease(work: Work) -> None:
    """Nobody takes its key over, nor that of the message that waits behind it."""

    def process(event: dict[str, Any]) -> None:
        if event["detail"]["IdempotencyKey"] == "a":
            for _ in range(5):
                work.pass_time()
            for key in ("a", "b"):
                with pytest.raises(InProgressError):
                    work.worker().claim(key)

    assert work.run(process, "a", "b") == ["completed", "completed"]
    assert isinstance(work.worker().claim("a"), AlreadyDone)
    assert work.beats.pauses[0] == LEASE_SECONDS / 3


def test_what_another_poller_extended_is_left_alone(work: Work) -> None:
    """Each poller's heartbeat looks at all claims of the process; one write is enough."""

    def process(_: Any) -> None:
        claims = work.mine.claims.open_claims()
        version = claims[0].record.version
        work.beats.beat()
        assert [claim.record.version for claim in claims] == [version]
        work.pass_time()
        assert [claim.record.version for claim in claims] != [version]

    assert work.run(process, "a") == ["completed"]


def test_without_a_beat_the_lease_ends(work: Work) -> None:
    """The control of the test above: the same time, no beat, and the key is taken over."""

    def process(_: Any) -> None:
        work.clock.advance(5 * LEASE_SECONDS)
        assert isinstance(work.worker().claim("a"), Claimed)

    assert work.run(process, "a") == ["claim_lost"]


def test_every_message_in_work_is_hidden_as_long_as_a_lease(work: Work) -> None:
    """Should this process die, they come back when its leases have ended."""

    def process(event: dict[str, Any]) -> None:
        if event["detail"]["IdempotencyKey"] == "a":
            work.pass_time()

    work.run(process, "a", "b")
    assert work.messages.asked == [[("a", LEASE_SECONDS + 3), ("b", LEASE_SECONDS + 3)]]
    assert work.heartbeat.visibility_seconds == LEASE_SECONDS + 3


@pytest.mark.parametrize("lease_seconds", [43_000, 7 * 86_400])
def test_a_lease_longer_than_sqs_hides_a_message(lease_seconds: int) -> None:
    """The messages decide the pace then."""
    pauses: list[float] = []

    def wait(_: Event, seconds: float) -> bool:
        pauses.append(seconds)
        return True

    claims = Deduplicator(MemoryStore(), Config(lease_seconds=lease_seconds))
    heartbeat = Heartbeat(claims, KeptMessages(), wait)  # type: ignore[arg-type]
    with heartbeat.keeping(["a"]):
        pass
    assert heartbeat.visibility_seconds == VISIBILITY_MAX_SECONDS
    assert pauses == [VISIBILITY_MAX_SECONDS / 3]


def test_a_claim_lost_under_its_handler_is_logged(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """The process slept too long: an error says that the effect may happen twice."""

    def process(_: Any) -> None:
        work.clock.advance(10 * LEASE_SECONDS)
        assert work.worker().claim("a")
        work.beats.beat()

    assert work.run(process, "a") == ["claim_lost"]
    (told,) = [
        entry for entry in caplog.records if "lost while its handler runs" in entry.getMessage()
    ]
    assert told.levelno == logging.ERROR


def test_a_claim_settled_meanwhile_is_not_taken_for_lost(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """Between listing the claims and extending them, work goes on."""
    listed = work.mine.claims.open_claims

    def stale() -> list[HeldClaim]:
        claims = listed()
        for claim in claims:
            work.mine.claims.complete(claim)
        return claims

    def process(_: Any) -> None:
        work.mine.claims.open_claims = stale  # type: ignore[method-assign]
        work.beats.beat()
        work.mine.claims.open_claims = listed  # type: ignore[method-assign]

    assert work.run(process, "a") == ["completed"]
    assert "lost" not in caplog.text


def test_two_beats_may_fail(clock: MovableClock, caplog: pytest.LogCaptureFixture) -> None:
    """The store is away for most of a lease: each beat says so, the third one keeps the lease."""
    store = FailingStore(MemoryStore())
    work = Work(store, clock)

    def process(_: Any) -> None:
        for fails in (State.IN_PROGRESS, State.IN_PROGRESS, None):
            store.fails = fails
            work.clock.advance(LEASE_SECONDS / 3)
            work.beats.beat()
        work.clock.advance(LEASE_SECONDS * 0.9)
        with pytest.raises(InProgressError):
            work.worker().claim("a")

    assert work.run(process, "a") == ["completed"]
    assert caplog.text.count("the lease on key 'a' was not extended") == 2


class HookedStore(MemoryStore):
    """A store on a client whose hook raises what it likes, for the key `a` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.error: type[BaseException] | None = None

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if self.error is not None and record.partition_key == "a":
            raise self.error
        return super().put_if(record, expected_version)


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_whatever_a_beat_raises_the_next_ones_come(
    clock: MovableClock, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    """It is logged, and the other claims of the same beat are extended."""
    store = HookedStore()
    work = Work(store, clock)

    def process(event: dict[str, Any]) -> None:
        if event["detail"]["IdempotencyKey"] != "a":
            return
        store.error = error
        work.pass_time()
        with pytest.raises(InProgressError):
            work.worker().claim("b")
        store.error = None
        work.pass_time()
        with pytest.raises(InProgressError):
            work.worker().claim("b")

    assert work.run(process, "a", "b")[1] == "completed"
    assert caplog.text.count("the lease on key 'a' was not extended") == 1
    assert len(work.messages.asked) == 2


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_whatever_hiding_raises_the_leases_are_kept(
    work: Work, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    """A beat that could not hide messages is logged, and is not the last."""

    def raises(changes: list[VisibilityChange]) -> dict[str, str]:  # noqa: ARG001 -- by contract
        raise error

    def process(_: Any) -> None:
        for _ in range(3):
            work.pass_time()
            with pytest.raises(InProgressError):
                work.worker().claim("a")

    work.messages.change_visibility = raises  # type: ignore[method-assign]
    assert work.run(process, "a") == ["completed"]
    assert caplog.text.count("messages in work may be delivered again") == 3


@pytest.mark.parametrize("refused", [False, True])
def test_messages_that_cannot_be_hidden_are_logged(
    work: Work, caplog: pytest.LogCaptureFixture, *, refused: bool
) -> None:
    """Their leases hold all the same, so what is delivered again finds them in progress."""
    if refused:
        work.messages.refused = {"a": "ReceiptHandleIsInvalid: expired"}
    else:
        work.messages.trouble = QueueError("SQS is away", "q", "ChangeMessageVisibilityBatch")

    def process(_: Any) -> None:
        work.pass_time()
        work.pass_time()
        with pytest.raises(InProgressError):
            work.worker().claim("a")

    assert work.run(process, "a") == ["completed"]
    assert caplog.text.count("may be delivered again") == 2


def test_work_that_is_done_but_unrecorded_is_not_extended(clock: MovableClock) -> None:
    """Its completion is the next thing to be written, whenever the store answers."""
    store = FailingStore(MemoryStore())
    work = Work(store, clock)
    store.fails = State.DONE
    assert work.run(lambda _: None, "a") == ["unrecorded"]
    assert work.mine.claims.open_claims() == []
    store.fails = None
    work.mine.claims.record_pending()
    assert isinstance(work.worker().claim("a"), AlreadyDone)


def test_a_beat_under_way_is_over_before_its_batch_ends(work: Work) -> None:
    """Or it would hide again what has just been given back to the queue."""
    hiding, over = Event(), Event()
    hidden: list[list[VisibilityChange]] = []

    def hide(changes: list[VisibilityChange]) -> dict[str, str]:
        hiding.set()
        assert over.wait(timeout=30)
        hidden.append(changes)
        return {}

    def let_go(ending: Event) -> None:
        ending.wait()
        over.set()

    def wait(ending: Event, _: float) -> bool:
        if not hiding.is_set():
            Thread(target=let_go, args=(ending,), daemon=True).start()
        return ending.is_set()

    work.messages.change_visibility = hide  # type: ignore[method-assign]
    with Heartbeat(work.mine.claims, work.messages, wait).keeping(["a"]):  # type: ignore[arg-type]
        assert hiding.wait(timeout=30)
    assert len(hidden) == 1
