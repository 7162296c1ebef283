"""No thread to be had: what a thread was to do is done in the calling one, and never twice."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import AlreadyDone, Config, Deduplicator, IdemError, MemoryStore
from cxone_idem.aio.deduplicator import AsyncClaimed, AsyncDeduplicator
from cxone_idem.sqs.heartbeat import Heartbeat
from tests.support.awaited import awaited
from tests.support.engines import MemoryTable
from tests.support.events import batch_of, failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

KEYS = [f"key-{number}" for number in range(6)]
PATIENCE_SECONDS = 10


@pytest.fixture
def spare(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what lets so many more threads be started, and then none."""
    start = threading.Thread.start
    left = 0

    def start_if_any(thread: threading.Thread) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            message = "can't start new thread"
            raise RuntimeError(message)
        start(thread)

    def spare(count: int) -> None:
        nonlocal left
        left = count
        monkeypatch.setattr(threading.Thread, "start", start_if_any)

    return spare


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("max_workers", [1, 4])
def test_a_batch_is_done_and_recorded(
    spare: Callable[[int], None], threads: int, max_workers: int
) -> None:
    """By as many threads as there are, each message once; also when it is delivered again."""
    store = MemoryStore()
    ran: list[str] = []

    def handler(event: dict[str, Any]) -> None:
        ran.append(event["detail"]["IdempotencyKey"])

    for _ in range(3):
        spare(threads)
        deduplicator = Deduplicator(store)
        response = deduplicator.process_batch(batch_of(*KEYS), handler, max_workers=max_workers)
        assert failed(response) == []
    assert sorted(ran) == KEYS
    assert not any(Deduplicator(store).claim(key) for key in KEYS)


class Hidden:
    """A queue whose messages are hidden, or would be."""

    url = "http://127.0.0.1/q"

    def __init__(self) -> None:
        self.asked = 0

    def change_visibility(self, _: object) -> dict[str, str]:
        self.asked += 1
        return {}


def test_a_heartbeat_without_a_thread_is_logged(
    spare: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning a batch; the work goes on without beats."""
    heartbeat = Heartbeat(Deduplicator(MemoryStore(), Config(lease_seconds=60)), Hidden())  # type: ignore[arg-type]
    spare(0)
    worked = False
    with heartbeat.keeping(["a", "b"]):
        worked = True
    assert worked
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert "the heartbeat of 2 messages has no thread (can't start new thread)" in caplog.text
    with pytest.raises(ZeroDivisionError), heartbeat.keeping(["a"]):
        raise ZeroDivisionError


def test_the_async_verbs_need_no_thread(spare: Callable[[int], None]) -> None:
    """A request then holds the loop up, which is better than work that is never recorded."""

    async def main() -> None:
        store = MemoryTable()
        deduplicator = AsyncDeduplicator(Deduplicator(store))
        claim = await deduplicator.claim("k")
        assert isinstance(claim, AsyncClaimed)
        await claim.extend()
        await claim.complete()
        assert store.requests == 3
        assert isinstance(await deduplicator.claim("k"), AlreadyDone)

    spare(0)
    asyncio.run(main())


class HeldUp(MemoryTable):
    """Holds its first write until it is let go, so that a thread is busy with it."""

    def __init__(self) -> None:
        super().__init__()
        self.busy, self.go_on = threading.Event(), threading.Event()

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if not self.busy.is_set():
            self.busy.set()
            assert self.go_on.wait(PATIENCE_SECONDS)
        return super().put_if(record, expected_version)


def test_what_a_pool_keeps_for_its_other_threads_is_done_once(
    spare: Callable[[int], None],
) -> None:
    """`submit` fails and yet leaves the call in the pool's queue, where a free thread finds it."""

    async def main() -> None:
        store = HeldUp()
        deduplicator = AsyncDeduplicator(Deduplicator(store))
        first = asyncio.create_task(deduplicator.claim("first"))
        assert await asyncio.to_thread(store.busy.wait, PATIENCE_SECONDS)
        spare(0)
        claim = await deduplicator.claim("second")  # the pool's only thread is busy
        assert isinstance(claim, AsyncClaimed)
        store.go_on.set()
        await first  # now that thread is free, and looks into its queue
        await claim.complete()
        assert store.requests == 3
        assert claim.generation == 1
        spare(9)  # for the loop's own

    asyncio.run(main())


def test_an_async_batch_that_has_no_thread_runs_nothing(spare: Callable[[int], None]) -> None:
    """Its handlers need the loop, so it cannot be settled there: it comes back, all free."""
    store = MemoryTable()
    ran: list[object] = []
    deduplicator = AsyncDeduplicator(Deduplicator(store))
    spare(0)
    with pytest.raises(IdemError, match=r"no thread can be started.*no handler ran"):
        awaited(deduplicator.process_batch, batch_of(*KEYS), ran.append)
    assert not ran
    assert store.requests == 0


@pytest.mark.parametrize("max_workers", [1, 4])
def test_an_async_batch_that_has_one_is_done(
    spare: Callable[[int], None], max_workers: int
) -> None:
    """Its handlers are awaited one after the other, and their completions written there."""
    store = MemoryStore()
    ran: list[object] = []

    async def handler(event: object) -> None:
        await asyncio.sleep(0)
        ran.append(event)

    deduplicator = AsyncDeduplicator(Deduplicator(store))
    spare(1)
    process_batch = deduplicator.process_batch
    response = awaited(process_batch, batch_of(*KEYS), handler, max_workers=max_workers)
    assert failed(response) == []
    assert len(ran) == len(KEYS)
    assert not any(Deduplicator(store).claim(key) for key in KEYS)
