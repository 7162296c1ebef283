"""What asyncio adds: cancellation, context variables, one loop that must never be blocked."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Event, get_ident
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    AlreadyDone,
    Config,
    Deduplicator,
    InProgressError,
    StoreError,
    current_claim,
    current_message,
)
from cxone_idem.aio.deduplicator import AsyncClaimed, AsyncDeduplicator
from cxone_idem.record import State
from cxone_idem.testing.events import FakeContext, failed_ids, sqs_event_of
from cxone_idem.testing.rehearsal import Rehearsal, RehearsalStore
from tests.support.documents import code_blocks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

KEYS = [f"key-{number}" for number in range(10)]
PATIENCE_SECONDS = 10


class GatedStore(RehearsalStore):
    """A store that holds back the answers to the writes of one state until it is let go."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self.here, self.go_on = Event(), Event()

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        answer = super().put_if(record, expected_version)
        if record.state is self._state and not self.go_on.is_set():
            self.here.set()
            assert self.go_on.wait(PATIENCE_SECONDS)
        return answer


def key_of(event: dict[str, Any]) -> str:
    """Return the key of an event."""
    key: str = event["detail"]["IdempotencyKey"]
    return key


async def cancelled(task: asyncio.Task[Any], store: GatedStore, times: int = 1) -> None:
    """Cancel a task that waits for an answer, which comes only afterwards."""
    assert await asyncio.to_thread(store.here.wait, PATIENCE_SECONDS)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    store.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine, which must not hang."""

    async def in_time() -> None:
        await asyncio.wait_for(main(), 3 * PATIENCE_SECONDS)

    asyncio.run(in_time())


@pytest.mark.parametrize("times", [1, 2])
def test_a_claim_granted_to_a_cancelled_task_is_given_back(times: int) -> None:
    """When the cancellation goes on the key is free, and it was no attempt."""

    async def main() -> None:
        store = GatedStore(State.IN_PROGRESS)
        task = asyncio.create_task(AsyncDeduplicator(Deduplicator(store)).claim("k"))
        await cancelled(task, store, times)
        claim = Deduplicator(store).claim("k")
        assert claim
        assert claim.generation == 1

    run(main)


def test_a_completion_of_a_cancelled_task_is_kept() -> None:
    """The write was under way, so it is waited for, and the claim knows that it is done."""

    async def main() -> None:
        store = GatedStore(State.DONE)
        claim = await AsyncDeduplicator(Deduplicator(store)).claim("k")
        assert isinstance(claim, AsyncClaimed)
        await cancelled(asyncio.create_task(claim.complete()), store)
        assert claim.record.state is State.DONE
        assert isinstance(Deduplicator(store).claim("k"), AlreadyDone)

    run(main)


@pytest.mark.parametrize("max_workers", [1, 3])
def test_a_cancelled_batch_leaves_nothing_dangling(
    max_workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What is done is recorded, what was being awaited is released, what did not start is free."""

    async def main() -> None:
        store = RehearsalStore()
        reached = asyncio.Event()
        started: list[str] = []

        async def handler(event: dict[str, Any]) -> None:
            started.append(key_of(event))
            if key_of(event) == "key-3":
                reached.set()
            if key_of(event) >= "key-3":
                await asyncio.Event().wait()

        deduplicator = AsyncDeduplicator(Deduplicator(store))
        batch = deduplicator.process_batch(sqs_event_of(*KEYS), handler, max_workers=max_workers)
        task = asyncio.create_task(batch)
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        count = Counter(started)
        assert max(count.values()) == 1
        outcomes = {key: Deduplicator(store).claim(key) for key in KEYS}
        assert [key for key in KEYS if not outcomes[key]] == ["key-0", "key-1", "key-2"]
        # Three at most were begun or about to be.
        assert {outcomes[key].record.generation for key in started[3:]} == {2}
        assert {outcomes[key].record.generation for key in KEYS[6:]} == {1}

    run(main)
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_a_handler_that_finishes_in_spite_of_the_cancellation_is_done() -> None:
    """Its effect was made: releasing it would make it again."""

    async def main() -> None:
        store = RehearsalStore()
        reached = asyncio.Event()
        effects: list[str] = []

        async def handler(event: dict[str, Any]) -> None:
            reached.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                effects.append(key_of(event))

        deduplicator = AsyncDeduplicator(Deduplicator(store))
        task = asyncio.create_task(deduplicator.process_batch(sqs_event_of("a", "b"), handler))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert effects == ["a"]
        assert not Deduplicator(store).claim("a")
        assert Deduplicator(store).claim("b")

    run(main)


def test_a_handler_that_is_cancelled_from_within_fails_alone() -> None:
    """Its message comes back, its key is free; the batch goes on."""

    async def main() -> None:
        async def handler(event: dict[str, Any]) -> None:
            if key_of(event) == "b":
                raise asyncio.CancelledError

        store = RehearsalStore()
        deduplicator = AsyncDeduplicator(Deduplicator(store))
        assert failed_ids(
            await deduplicator.process_batch(sqs_event_of("a", "b", "c"), handler)
        ) == ["m1"]
        assert Deduplicator(store).claim("b")

    run(main)


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("max_workers", [1, 3])
def test_a_handler_that_ends_the_process_ends_its_batch(
    end: type[BaseException], max_workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """On a loop that is kept, as README shows: it comes out, after all is settled and logged."""
    store = RehearsalStore()
    deduplicator = AsyncDeduplicator(Deduplicator(store))
    ran: list[str] = []
    begun = asyncio.Event()

    async def handler(event: dict[str, Any]) -> None:
        ran.append(key_of(event))
        if set(KEYS[:3]) <= set(ran):  # taken up before it, by threads that may be slower
            begun.set()
        if key_of(event) == "key-3":
            await begun.wait()
            raise end
        if key_of(event) > "key-3":
            await asyncio.Event().wait()  # until somebody ends it

    loop = asyncio.new_event_loop()
    loop.call_later(3 * PATIENCE_SECONDS, loop.stop)  # it must not hang
    batch = deduplicator.process_batch(sqs_event_of(*KEYS), handler, max_workers=max_workers)
    try:
        with pytest.raises(end):
            loop.run_until_complete(batch)
        assert not asyncio.all_tasks(loop)
        assert caplog.text.count(f"key 'key-3': process_event raised {end.__name__}") == 1
        outcomes = {key: Deduplicator(store).claim(key) for key in KEYS}
        assert [key for key in KEYS if not outcomes[key]] == ["key-0", "key-1", "key-2"]
        assert len(ran) == len(set(ran)) <= 3 + max_workers
        retried = deduplicator.process_batch(sqs_event_of("key-3"), lambda _: None)
        loop.run_until_complete(retried)
    finally:
        loop.close()


def test_any_other_end_comes_out_too() -> None:
    """As asyncio lets it: the task fails, and the batch with it."""

    class ThirdPartyEnd(BaseException):
        """What another framework ends a task with."""

    async def handler(_: dict[str, Any]) -> None:
        raise ThirdPartyEnd

    async def main() -> None:
        store = RehearsalStore()
        deduplicator = AsyncDeduplicator(Deduplicator(store))
        with pytest.raises(ThirdPartyEnd):
            await deduplicator.process_batch(sqs_event_of("k"), handler)
        assert Deduplicator(store).claim("k")

    run(main)


INTERRUPTED = """
import asyncio, signal, threading
from cxone_idem import Deduplicator, MemoryStore
from cxone_idem.aio import AsyncDeduplicator
from cxone_idem.testing import sqs_event_of

loop = asyncio.new_event_loop()
# A shell starts what runs in the background with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


async def handler(event):
    # Not in the handler: Ctrl-C finds the loop waiting.
    loop.call_soon(signal.raise_signal, signal.SIGINT)
    await asyncio.Event().wait()


deduplicator = AsyncDeduplicator(Deduplicator(MemoryStore()))
try:
    loop.run_until_complete(deduplicator.process_batch(sqs_event_of("k"), handler))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_loop_that_was_stopped_keeps_no_process_alive() -> None:
    """Whatever the batch still waits for, the interpreter ends."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.stdout == "interrupted\n"


def test_an_undo_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What a cancelled task was granted could not be given back: nobody else would say so."""

    class KeepsClaims(GatedStore):
        def put_if(self, record: Record, expected_version: str | None) -> PutResult:
            if record.state is State.RELEASED:
                problem = "the store is out of reach"
                raise StoreError(problem, "t", "PutItem")
            return super().put_if(record, expected_version)

    async def main() -> None:
        store = KeepsClaims(State.IN_PROGRESS)
        task = asyncio.create_task(AsyncDeduplicator(Deduplicator(store)).claim("k"))
        await cancelled(task, store)

    run(main)
    assert "key 'k' was not released: the store is out of reach" in caplog.text


TENANT: ContextVar[str] = ContextVar("TENANT", default="nobody")


@pytest.mark.parametrize("max_workers", [1, 4])
def test_context_variables_reach_the_handler(max_workers: int) -> None:
    """Each handler has those of its batch, and its own claim; what it sets no other sees."""

    async def main() -> None:
        seen: dict[str, list[str]] = {"acme": [], "other": []}
        deduplicator = AsyncDeduplicator(Deduplicator(RehearsalStore()))

        async def batch_for(tenant: str) -> None:
            TENANT.set(tenant)

            async def handler(event: dict[str, Any]) -> None:
                await asyncio.sleep(0)
                claim = current_claim()
                assert claim
                assert claim.key == key_of(event)
                assert current_message().message_attributes["sent"] == {"key": claim.key}
                await deduplicator.extend(claim)
                seen[tenant].append(TENANT.get())
                TENANT.set("a handler's own")

            keys = [f"{tenant}-{key}" for key in KEYS]
            made = sqs_event_of(*keys)
            for key, one in zip(keys, made["Records"], strict=True):
                one["messageAttributes"] = {"sent": {"key": key}}
            await deduplicator.process_batch(made, handler, max_workers=max_workers)

        await asyncio.gather(batch_for("acme"), batch_for("other"))
        assert seen == {tenant: [tenant] * 10 for tenant in seen}

    run(main)


def test_max_workers_handlers_are_awaited_at_once() -> None:
    """They meet on the loop; one more than that never does."""

    async def main() -> None:
        at_once = most = 0
        four = asyncio.Event()

        async def handler(_: dict[str, Any]) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            if at_once == 4:
                four.set()
            await four.wait()
            at_once -= 1

        deduplicator = AsyncDeduplicator(Deduplicator(RehearsalStore()))
        response = await deduplicator.process_batch(sqs_event_of(*KEYS), handler, max_workers=4)
        assert failed_ids(response) == []
        assert most == 4

    run(main)


def test_batches_need_no_thread_that_their_handlers_wait_for() -> None:
    """However few threads the loop has, and however many batches are awaited: no deadlock."""

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        deduplicator = AsyncDeduplicator(Deduplicator(RehearsalStore()))

        async def handler(event: dict[str, Any]) -> None:
            await asyncio.to_thread(key_of, event)
            await deduplicator.claim(f"inner {key_of(event)}")

        batches = [
            deduplicator.process_batch(sqs_event_of(f"key-{number}"), handler)
            for number in range(20)
        ]
        assert [failed_ids(one) for one in await asyncio.gather(*batches)] == [[]] * 20

    run(main)


def test_claims_that_wait_keep_no_thread() -> None:
    """More claims wait than there are threads, and the completion they wait for gets through."""

    async def main() -> None:
        rehearsal = Rehearsal(Config(wait_seconds=60))
        elsewhere = rehearsal.hold_elsewhere("k")
        done = asyncio.Event()
        waiting = 0

        async def sleep(_: float) -> None:
            nonlocal waiting
            waiting += 1
            if waiting == 30:
                elsewhere.complete()
                done.set()
            await done.wait()

        deduplicator = AsyncDeduplicator(rehearsal.deduplicator, sleep=sleep)
        outcomes = await asyncio.gather(*(deduplicator.claim("k") for _ in range(30)))
        assert all(isinstance(outcome, AlreadyDone) for outcome in outcomes)

    run(main)


def test_a_wait_ends_and_raises() -> None:
    """As the synchronous claim does, after pauses that add up to the setting."""

    async def main() -> None:
        rehearsal = Rehearsal(Config(wait_seconds=20))
        rehearsal.hold_elsewhere("k")
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            rehearsal.clock.advance(seconds)

        with pytest.raises(InProgressError):
            await AsyncDeduplicator(rehearsal.deduplicator, sleep=sleep).claim("k")
        assert sum(pauses) == pytest.approx(20)

    run(main)


def test_a_plain_function_is_a_handler_too() -> None:
    """It runs on the loop, as a callback would."""

    async def main() -> None:
        ran: list[Any] = []
        deduplicator = AsyncDeduplicator(Deduplicator(RehearsalStore()))
        response = await deduplicator.process_batch(sqs_event_of("k"), ran.append)
        assert failed_ids(response) == []
        assert len(ran) == 1

    run(main)


def test_a_batch_decodes_in_its_thread() -> None:
    """For one call, or for all of them: `decode` may block, and the loop goes on."""

    async def main() -> None:
        ran: list[Any] = []
        here = get_ident()

        def decode(record: dict[str, Any]) -> str:
            assert get_ident() != here
            return str(record["wrapped"])

        for number, (once, always) in enumerate([(decode, None), (None, decode)]):
            event = sqs_event_of(f"k{number}")
            (made,) = event["Records"]
            made["wrapped"], made["body"] = made["body"], "no json"
            deduplicator = AsyncDeduplicator(Deduplicator(RehearsalStore(), decode=always))
            response = await deduplicator.process_batch(event, ran.append, decode=once)
            assert failed_ids(response) == []
        assert len(ran) == 2

    run(main)


def test_readmes_async_handler_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Two invocations on one loop: the duplicate is dropped, the loop outlives both."""
    (block,) = code_blocks("Async handlers")
    names: dict[str, Any] = {}
    with Rehearsal().serving():
        exec(block, names)  # noqa: S102 -- README's own code
    for _ in range(2):
        response = names["handler"](sqs_event_of("k"), FakeContext())
        assert response == {"batchItemFailures": []}
    names["loop"].close()
    assert capsys.readouterr().out == "starting conv-123\n"
