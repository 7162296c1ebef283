"""What holds in several Regions: two tables as two Regions, replicated when a test says so."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import ConnectionClosedError

from cxone_idem import (
    AlreadyDone,
    ClaimLostError,
    Config,
    Deduplicator,
    DynamoDBStore,
    InProgressError,
    StoreError,
)
from cxone_idem.runtime import Runtime
from tests.support.aws_answers import refusal
from tests.support.clocks import MovableClock, TellsTime
from tests.support.documents import code_blocks
from tests.support.engines import send
from tests.support.events import Context, batch_of, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

(PINNED,) = code_blocks("Several Regions")
PUT = "before-send.dynamodb.PutItem"
BATCH = "before-send.dynamodb.BatchExecuteStatement"
# What a write meets, and how often the SDK sends it before it says so: as botocore's older models
# have it, as its newer ones have it, and what none of them retries.
CONFLICTS = {
    "old-sdk": (1, "ReplicatedWriteConflictException"),
    "sdk": (4, "ReplicatedWriteConflictException"),
    "transaction": (4, "TransactionConflictException"),
}


class Regions:
    """A global table with eventual consistency, its replication in the test's hands."""

    def __init__(self, east: Any, west: Any, clock: MovableClock) -> None:
        self.east, self.west = east, west
        self._clock = clock

    def worker(self, region: Any) -> Deduplicator:
        """Return a fresh consumer on a Region's replica."""
        return Deduplicator(TellsTime(region.store(), self._clock), now=self._clock)

    def replicate(self, key: str, *, last_written_in: Any) -> None:
        """Bring the last write of an item to the other Region: the last writer wins."""
        other = self.west if last_written_in is self.east else self.east
        other.put_raw(last_written_in.item(key))


@pytest.fixture
def regions(items: Any, new_table: Callable[[], Any], clock: MovableClock) -> Regions:
    """Return two Regions on each engine in turn."""
    return Regions(items, new_table(), clock)


def test_a_duplicate_after_replication_is_dropped(regions: Regions) -> None:
    """What one Region has replicated, both know."""
    claim = regions.worker(regions.east).claim("k")
    assert claim
    regions.replicate("k", last_written_in=regions.east)
    with pytest.raises(InProgressError):
        regions.worker(regions.west).claim("k")
    claim.complete()
    regions.replicate("k", last_written_in=regions.east)
    assert isinstance(regions.worker(regions.west).claim("k"), AlreadyDone)


def test_before_replication_both_regions_win(regions: Regions) -> None:
    """The window, documented: each Region judges its own item; the slower claim is not refused."""
    east, west = (regions.worker(region).claim("k") for region in (regions.east, regions.west))
    assert east
    assert west
    regions.replicate("k", last_written_in=regions.west)
    with pytest.raises(ClaimLostError):
        east.complete()
    west.complete()


def test_two_quick_wins_go_unnoticed(regions: Regions) -> None:
    """The window, documented: if both complete before replication, nothing tells of the double."""
    for region in (regions.east, regions.west):
        claim = regions.worker(region).claim("k")
        assert claim
        claim.complete()
    regions.replicate("k", last_written_in=regions.west)
    for region in (regions.east, regions.west):
        assert isinstance(regions.worker(region).claim("k"), AlreadyDone)


def test_a_claim_can_undo_the_other_regions_completion(
    regions: Regions, clock: MovableClock
) -> None:
    """The window, documented: a later claim overwrites a completion, and its worker may die."""
    done = regions.worker(regions.east).claim("k")
    assert done
    done.complete()
    assert regions.worker(regions.west).claim("k")
    regions.replicate("k", last_written_in=regions.west)
    with pytest.raises(InProgressError):
        regions.worker(regions.east).claim("k")
    clock.advance(Config().lease_seconds + 4)
    assert regions.worker(regions.east).claim("k")


def test_consumers_pinned_to_one_region_keep_the_promise(
    regions: Regions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's consumer, run in both Regions: one effect; a failover repeats what was not there."""
    ran: list[str] = []
    for keys in (["a", "b"], ["b", "a"]):
        consumer = _pinned(regions.east, monkeypatch)
        assert _process(consumer, ran, *keys) == []
    assert ran == ["a", "b"]
    regions.replicate("a", last_written_in=regions.east)
    assert _process(_pinned(regions.west, monkeypatch), ran, "a", "b") == []
    assert ran == ["a", "b", "b"]


def _pinned(region: Any, monkeypatch: pytest.MonkeyPatch) -> Deduplicator:
    """Return README's deduplicator, with a Region's replica where the one it names would be."""
    asked: list[str] = []

    def client(service: str, region_name: str, config: Any) -> Any:
        asked.append(f"{service} in {region_name}, {config.read_timeout} s")
        return region.client

    names: dict[str, Any] = {}
    with monkeypatch.context() as patch:
        patch.setenv("CXONE_IDEM_TABLE", region.name)
        patch.setattr(boto3, "client", client)
        exec(PINNED, names)  # noqa: S102 -- README's own code
    assert asked == ["dynamodb in us-east-1, 1 s"]
    deduplicator: Deduplicator = names["deduplicator"]
    return deduplicator


def _process(deduplicator: Deduplicator, ran: list[str], *keys: str) -> list[str]:
    return failed(
        deduplicator.process_batch(
            batch_of(*keys), lambda event: ran.append(event["detail"]["IdempotencyKey"])
        )
    )


class Conflicts:
    """A table on which writes meet another Region's, or a transaction."""

    def __init__(self, table: Any, attempts: int, code: str) -> None:
        self.table = table
        self._code = code
        self.slept_seconds: list[float] = []
        self.sent = 0
        self.left = 0
        self.before_the_next: Callable[[AWSPreparedRequest], object] = bool
        self.client = boto3.client(
            "dynamodb",
            endpoint_url=table.endpoint,
            config=ClientConfig(
                read_timeout=20, retries={"mode": "standard", "total_max_attempts": attempts}
            ),
        )
        for event in (PUT, BATCH):
            self.client.meta.events.register_first(event, self._meet)

    def worker(self) -> Deduplicator:
        """Return a consumer on the table."""
        return Deduplicator(
            DynamoDBStore(
                self.table.name, self.client, runtime=Runtime(sleep=self.slept_seconds.append)
            )
        )

    def _meet(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        self.sent += 1
        if not self.left:
            return None
        self.left -= 1
        self.before_the_next(request)
        return refusal(request, self._code)


@pytest.fixture(params=CONFLICTS)
def conflicts(
    request: pytest.FixtureRequest, items: Any, monkeypatch: pytest.MonkeyPatch
) -> Conflicts:
    """Return a table with conflicts to come, of each kind in turn."""
    if items.endpoint is None:
        pytest.skip("this engine executes also what a test answers in its place")
    monkeypatch.setattr("time.sleep", lambda _: None)  # the SDK's own back-off
    return Conflicts(items, *CONFLICTS[request.param])


def test_a_write_that_met_another_is_tried_again(conflicts: Conflicts) -> None:
    """A claim and a completion each meet one: nobody notices, and each is sent once more."""
    conflicts.left = 1
    claim = conflicts.worker().claim("k")
    assert claim
    assert conflicts.sent == 2
    conflicts.left = 1
    claim.complete()
    assert conflicts.sent == 4
    assert isinstance(conflicts.worker().claim("k"), AlreadyDone)
    assert all(0 <= seconds < 0.1 for seconds in conflicts.slept_seconds)


def test_after_a_conflict_the_other_regions_claim_is_seen(conflicts: Conflicts) -> None:
    """The write that was in the way is stored by then: the second attempt does not win over it."""
    conflicts.left = 1
    conflicts.before_the_next = lambda _: Deduplicator(conflicts.table.store()).claim("k")
    with pytest.raises(InProgressError):
        conflicts.worker().claim("k")


def test_a_conflict_that_lasts_fails_the_claim_and_leaves_nothing(conflicts: Conflicts) -> None:
    """Four attempts, no item, and the next delivery gets the work: once, and not too late."""
    conflicts.left = 100
    ran: list[str] = []
    assert _process(conflicts.worker(), ran, "k") == ["m0"]
    assert conflicts.sent <= 4 + 4  # and, where it may have been executed, a release
    conflicts.left = 0
    assert conflicts.table.item("k") is None
    assert _process(conflicts.worker(), ran, "k") == []
    assert ran == ["k"]


def test_a_conflict_that_lasts_keeps_a_completion_for_later(conflicts: Conflicts) -> None:
    """The work is done and its message deleted: this process never repeats it, and records it."""
    worker = conflicts.worker()
    ran: list[str] = []

    def work(event: dict[str, Any]) -> None:
        ran.append(event["detail"]["IdempotencyKey"])
        conflicts.left = 100

    assert failed(worker.process_batch(batch_of("k"), work)) == []
    assert conflicts.table.item("k")["state"] == {"S": "IN_PROGRESS"}
    assert failed(worker.process_batch(batch_of("k"), work)) == []
    conflicts.left = 0
    assert _process(worker, ran, "other") == []
    assert ran == ["k", "other"]
    assert conflicts.table.item("k")["state"] == {"S": "DONE"}


def test_a_lost_answer_before_a_conflict_leaves_no_lock(conflicts: Conflicts) -> None:
    """The claim is stored, its answer lost, the retry meets a conflict: it is given up at once."""

    def execute_and_lose(request: AWSPreparedRequest) -> None:
        conflicts.before_the_next = bool
        conflicts.left = 3
        send(request)
        raise ConnectionClosedError(endpoint_url=request.url)

    conflicts.left = 1
    conflicts.before_the_next = execute_and_lose
    with pytest.raises(StoreError) as caught:
        conflicts.worker().claim("k")
    assert caught.value.outcome_unknown
    conflicts.left = 0
    assert Deduplicator(conflicts.table.store()).claim("k")


def test_a_batch_that_met_another_is_written_one_by_one(conflicts: Conflicts) -> None:
    """The SDK knows no conflict of a batch; each write then has its own attempts."""
    conflicts.left = 1
    ran: list[str] = []
    assert _process(conflicts.worker(), ran, "a", "b") == []
    assert _process(conflicts.worker(), ran, "a", "b") == []
    assert ran == ["a", "b"]


@pytest.fixture
def sweep(items: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the sweep example, initialised as Lambda does it: on import."""
    with monkeypatch.context() as patch:
        patch.setenv("CXONE_IDEM_TABLE", items.name)
        patch.setattr(boto3, "client", lambda _: items.client)
        module = importlib.import_module("examples.stores.sweep")
    yield module
    del sys.modules["examples.stores.sweep"]


def test_an_expired_record_counts_as_absent_without_ttl(items: Any, clock: MovableClock) -> None:
    """On a table that never deletes, the same key is work again once its retention is past."""
    store = TellsTime(items.store(), clock)
    first = Deduplicator(store, now=clock).claim("k")
    assert first
    first.complete()
    clock.advance(Config().retention_seconds + Config().lease_seconds + 10)
    again = Deduplicator(store, now=clock).claim("k")
    assert again
    assert again.generation == 2


def test_the_sweep_deletes_what_has_expired_and_nothing_else(
    items: Any, sweep: ModuleType, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done and given-up records past their time go; what is younger, or has no time, stays."""
    monkeypatch.setattr(sweep.time, "time", clock)
    deduplicator = Deduplicator(TellsTime(items.store(), clock), now=clock)
    for key in ("done", "given up", "at work"):
        assert deduplicator.claim(key)
    deduplicator.complete("done")
    deduplicator.release("given up")
    items.put_raw({"id": {"S": "marker"}})
    assert sweep.handler({}, Context(30_000)) == 0
    clock.advance(Config().retention_seconds + Config().lease_seconds + 10)
    assert Deduplicator(TellsTime(items.store(), clock), now=clock).claim("young")
    assert sweep.handler({}, Context(30_000)) == 3
    standing = [
        key for key in ("done", "given up", "at work", "young", "marker") if items.item(key)
    ]
    assert standing == ["young", "marker"]


def test_the_sweep_leaves_what_was_claimed_again_meanwhile(
    items: Any, sweep: ModuleType, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between scan and deletion a claim takes the expired record over: it keeps its claim."""
    monkeypatch.setattr(sweep.time, "time", clock)
    store = TellsTime(items.store(), clock)
    first = Deduplicator(store, now=clock).claim("k")
    assert first
    first.complete()
    clock.advance(Config().retention_seconds + Config().lease_seconds + 10)
    claims: list[Any] = []

    def take_over(**_: object) -> None:
        claims.append(Deduplicator(store, now=clock).claim("k"))

    items.client.meta.events.register("before-call.dynamodb.DeleteItem", take_over)
    assert sweep.handler({}, Context(30_000)) == 0
    (claim,) = claims
    claim.complete()
