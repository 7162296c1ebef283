"""A claim as a context manager, plain and awaited: what the end of the block does with the key."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import AlreadyDone, Claimed, ClaimLostError, Deduplicator, MemoryStore, StoreError
from cxone_idem.aio.deduplicator import AsyncClaimed, AsyncDeduplicator
from cxone_idem.record import State
from tests.support.failing_store import FailingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.clocks import MovableClock


class End(BaseException):
    """What is no `Exception`."""


class Block:
    """A claim on one key of a store, and a block under it."""

    def __init__(self, store: Any, *, is_async: bool, **options: Any) -> None:
        self._deduplicator = Deduplicator(store, **options)
        self._is_async = is_async

    def run(self, *steps: Callable[[Any], object]) -> Claimed:
        """Claim, do the steps within the block, and return the claim. A verb is awaited."""
        return asyncio.run(self._awaited(steps)) if self._is_async else self._plain(steps)

    def claim(self) -> Claimed | AlreadyDone:
        """Claim the key again."""
        return self._deduplicator.claim("k")

    def _plain(self, steps: tuple[Callable[[Any], object], ...]) -> Claimed:
        claim = self._deduplicator.claim("k")
        assert claim
        with claim as entered:
            assert entered is claim
            for step in steps:
                step(claim)
        return claim

    async def _awaited(self, steps: tuple[Callable[[Any], object], ...]) -> Claimed:
        claim = await AsyncDeduplicator(self._deduplicator).claim("k")
        assert isinstance(claim, AsyncClaimed)
        async with claim as entered:
            assert entered is claim
            for step in steps:
                result = step(claim)
                if asyncio.iscoroutine(result):
                    await result
        return claim.claim


@pytest.fixture(params=[False, True], ids=["with", "async with"])
def is_async(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Return which of the two is tested."""
    return request.param  # type: ignore[no-any-return]


def raiser(error: type[BaseException]) -> Callable[[Any], object]:
    """Return a step that raises."""

    def step(_: Any) -> None:
        raise error

    return step


def test_at_its_end_the_work_is_done(*, is_async: bool) -> None:
    """Nobody has to say so."""
    block = Block(MemoryStore(), is_async=is_async)
    assert block.run().record.state is State.DONE
    assert isinstance(block.claim(), AlreadyDone)


@pytest.mark.parametrize(
    "error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError, End]
)
def test_what_raises_is_not_done(error: type[BaseException], *, is_async: bool) -> None:
    """The error comes out, whatever it is, and the key is free at once."""
    block = Block(MemoryStore(), is_async=is_async)
    with pytest.raises(error):
        block.run(raiser(error))
    claim = block.claim()
    assert isinstance(claim, Claimed)
    assert claim.generation == 2


@pytest.mark.parametrize("verb", ["complete", "release"])
def test_what_the_block_settled_stays_as_it_is(verb: str, *, is_async: bool) -> None:
    """No further write, whether the block then raises or not."""
    store = FailingStore(MemoryStore())
    block = Block(store, is_async=is_async)

    def settle(claim: Any) -> object:
        return getattr(claim, verb)()

    def refuse(_: Any) -> None:
        store.fails = State.DONE if verb == "release" else State.RELEASED

    expected = State.DONE if verb == "complete" else State.RELEASED
    assert block.run(settle, refuse).record.state is expected
    assert isinstance(block.claim(), AlreadyDone if verb == "complete" else Claimed)


def test_a_block_that_settles_and_then_raises(*, is_async: bool) -> None:
    """Its work is recorded, so its error changes nothing of that."""
    block = Block(MemoryStore(), is_async=is_async)
    with pytest.raises(End):
        block.run(lambda claim: claim.complete(), raiser(End))
    assert isinstance(block.claim(), AlreadyDone)


def test_a_completion_that_fails_is_raised(*, is_async: bool) -> None:
    """The block went well, so there is no other error to lose."""
    store = FailingStore(MemoryStore())
    block = Block(store, is_async=is_async)
    store.fails = State.DONE
    with pytest.raises(StoreError):
        block.run()


def test_a_claim_that_was_lost_is_raised(clock: MovableClock, *, is_async: bool) -> None:
    """Another worker took the key over while the block ran."""
    store = MemoryStore()
    block = Block(store, is_async=is_async, now=clock)

    def lose(_: Any) -> None:
        clock.advance(10_000)
        assert Deduplicator(store, now=clock).claim("k")

    with pytest.raises(ClaimLostError):
        block.run(lose)


@pytest.mark.parametrize("error", [ValueError, End])
def test_a_release_that_fails_does_not_mask_the_blocks_error(
    error: type[BaseException], caplog: pytest.LogCaptureFixture, *, is_async: bool
) -> None:
    """It is logged, and the lease ends by itself."""
    store = FailingStore(MemoryStore())
    block = Block(store, is_async=is_async)
    store.fails = State.RELEASED
    with pytest.raises(error):
        block.run(raiser(error))
    (line,) = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert "key 'k' was not released" in line.getMessage()


def test_a_cancelled_block_is_released() -> None:
    """The task ends as cancelled, and only once the key is free."""

    async def main() -> None:
        deduplicator = Deduplicator(MemoryStore())
        reached = asyncio.Event()

        async def work() -> None:
            claim = await AsyncDeduplicator(deduplicator).claim("k")
            assert isinstance(claim, AsyncClaimed)
            async with claim:
                reached.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert deduplicator.claim("k")

    asyncio.run(main())


TEST_FIRST = "key 'k' is done already.*drop the event.*retrying does not help.*`if claimed:`"


def enter(_: Deduplicator, done: Any) -> None:
    """Write the block without a test before it."""
    with done:
        raise AssertionError


async def enter_async(_: AsyncDeduplicator, done: Any) -> None:
    """Write it for asyncio."""
    async with done:
        raise AssertionError


@pytest.mark.parametrize(
    "use",
    [
        enter,
        Deduplicator.complete,
        Deduplicator.release,
        Deduplicator.extend,
        lambda _, done: done.complete(),
    ],
)
def test_a_duplicate_that_is_taken_for_a_claim_says_what_to_write(use: Any) -> None:
    """Nobody sees it before the first duplicate, so the error has the whole answer."""
    deduplicator = Deduplicator(MemoryStore())
    deduplicator.claim("k")
    deduplicator.complete("k")
    done: Any = deduplicator.claim("k")
    with pytest.raises((TypeError, AttributeError), match=TEST_FIRST):
        use(deduplicator, done)
    assert not hasattr(done, "held")


@pytest.mark.parametrize(
    "use",
    [
        enter_async,
        AsyncDeduplicator.complete,
        AsyncDeduplicator.release,
        AsyncDeduplicator.extend,
    ],
)
def test_an_async_duplicate_says_so_too(use: Any) -> None:
    """By the same text."""
    deduplicator = Deduplicator(MemoryStore())
    deduplicator.claim("k")
    deduplicator.complete("k")
    with pytest.raises(TypeError, match=TEST_FIRST):
        asyncio.run(use(AsyncDeduplicator(deduplicator), deduplicator.claim("k")))


@pytest.mark.parametrize("verb", ["complete", "release"])
def test_a_block_does_not_run_under_a_settled_claim(verb: str) -> None:
    """A second block, or one after a verb, has no claim that keeps others out."""
    deduplicator = Deduplicator(MemoryStore())
    claim = deduplicator.claim("k")
    assert claim
    getattr(claim, verb)()
    with pytest.raises(ClaimLostError, match="already: to work on it"), claim:
        pytest.fail("the block ran")

    async def awaited() -> None:
        async with AsyncClaimed(claim, AsyncDeduplicator(deduplicator)._threads):  # noqa: SLF001
            pytest.fail("the block ran")

    with pytest.raises(ClaimLostError):
        asyncio.run(awaited())
