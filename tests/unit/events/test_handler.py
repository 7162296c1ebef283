"""Work that has not happened is not done: refused before a claim where it shows, else failed."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import Future
from itertools import starmap
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from cxone_idem import Claimed, Deduplicator, MessageStatus, once
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from cxone_idem.sqs.consumer import Consumer
from tests.support.awaited import awaited
from tests.support.engines import MemoryTable
from tests.support.events import batch_of, envelope, failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from cxone_idem import Outcome

Event = dict[str, Any]


def generator(event: Event) -> Iterator[Event]:
    """Do nothing before it is consumed."""
    yield event


async def async_generator(event: Event) -> AsyncIterator[Event]:
    """Do nothing before it is consumed."""
    yield event


async def coroutine(event: Event) -> None:
    """Do nothing before it is awaited."""


class Methods:
    def generator(self, event: Event) -> Iterator[Event]:
        yield event

    async def coroutine(self, event: Event) -> None: ...


class CalledGenerator:
    def __call__(self, event: Event) -> Iterator[Event]:
        yield event


class CalledAsyncGenerator:
    async def __call__(self, event: Event) -> AsyncIterator[Event]:
        yield event


class CalledCoroutine:
    async def __call__(self, event: Event) -> None: ...


def two_arguments(event: Event, context: object) -> None:
    """Need more than the event."""


def no_argument() -> None:
    """Need less than the event."""


NEVER = {
    "generator": generator,
    "async generator": async_generator,
    "partial": functools.partial(functools.partial(generator)),
    "method": Methods().generator,
    "partial of a method": functools.partial(Methods().generator),
    "object": CalledGenerator(),
    "partial of an object": functools.partial(CalledAsyncGenerator()),
    "method of an object": CalledGenerator().__call__,
    "class": CalledGenerator,
    "no argument": no_argument,
    "two arguments": two_arguments,
    "nothing": None,
}
"""No adapter can do the work of an event with these."""

ASYNC = {
    "async": coroutine,
    "partial": functools.partial(coroutine),
    "method": Methods().coroutine,
    "partial of a method": functools.partial(Methods().coroutine),
    "object": CalledCoroutine(),
    "partial of an object": functools.partial(CalledCoroutine()),
    "mock": AsyncMock(),
}
"""Only the async adapter can."""


def is_released(store: MemoryTable) -> bool:
    """Tell whether the key was claimed once, and given up."""
    claim = Deduplicator(store).claim("k")
    return isinstance(claim, Claimed) and claim.generation == 2


@pytest.mark.parametrize("handler", [*NEVER.values(), *ASYNC.values()], ids=[*NEVER, *ASYNC])
def test_a_batch_refuses_it_before_anything_is_claimed(handler: Any) -> None:
    """And so does the consumer, before anything is received."""
    store = MemoryTable()
    with pytest.raises(TypeError, match=r"process_event must be .*retrying does not help"):
        Deduplicator(store).process_batch(batch_of("k"), handler)
    with pytest.raises(TypeError, match="process_event must be"):
        Consumer(Deduplicator(store), MagicMock(), handler, heartbeat=MagicMock()).run()
    assert store.requests == 0


@pytest.mark.parametrize("handler", NEVER.values(), ids=NEVER)
def test_the_async_adapter_refuses_it_before_anything_is_claimed(handler: Any) -> None:
    """What it can await is all that it takes besides plain functions."""
    store = MemoryTable()
    with pytest.raises(TypeError, match="process_event must be"):
        awaited(AsyncDeduplicator(Deduplicator(store)).process_batch, batch_of("k"), handler)
    assert store.requests == 0


@pytest.mark.parametrize("handler", ASYNC.values(), ids=ASYNC)
def test_the_async_adapter_takes_what_it_can_await(handler: Any) -> None:
    """However it is wrapped."""
    deduplicator = Deduplicator(MemoryTable())
    process_batch = AsyncDeduplicator(deduplicator).process_batch
    assert failed(awaited(process_batch, batch_of("k"), handler)) == []


@pytest.mark.parametrize("name", ["generator", "async generator", "partial of a method", "object"])
def test_once_refuses_it_at_decoration(name: str) -> None:
    """By the same check."""
    with pytest.raises(TypeError, match=r"@once .* is not one: .* does no work"):
        once(NEVER[name])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "handler",
    [print, [].append, {}.update, MagicMock(), functools.partial(print, "x"), once(lambda _: None)],
    ids=["builtin", "method", "untold parameters", "mock", "partial", "once"],
)
def test_what_does_its_work_when_called_is_taken(handler: Any) -> None:
    """A builtin that does not tell its parameters, too."""
    Deduplicator(MemoryTable()).batches.settle(
        {"Records": []}, handler, invocation=MagicMock(remaining_ms=lambda: None)
    )


def test_a_decorator_may_bring_arguments_of_its_own() -> None:
    """What is called decides, and not what is wrapped."""
    ran: list[object] = []

    @functools.wraps(two_arguments)
    def wrapper(event: Event) -> None:
        ran.append(event)

    assert failed(Deduplicator(MemoryTable()).process_batch(batch_of("k"), wrapper)) == []
    assert len(ran) == 1


PENDING: dict[str, Callable[[Event], Any]] = {
    "generator": generator,
    "generator expression": lambda event: (one for one in event),
    "async generator": async_generator,
    "coroutine": coroutine,
    "future": lambda _: Future(),
    "future that is done": lambda _: _done(),
    "list of coroutines": lambda event: [coroutine(event), coroutine(event)],
    "tuple with a future": lambda _: (None, Future()),
    "map": lambda event: map(print, event),
    "filter": lambda event: filter(print, event),
    "starmap": lambda event: starmap(print, event.items()),
}


def _done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


@pytest.mark.parametrize("kind", PENDING)
@pytest.mark.parametrize("max_workers", [1, 2])
def test_work_that_is_still_to_be_done_fails_its_message(kind: str, max_workers: int) -> None:
    """With a `TypeError` that says what to do; its record is released, its neighbour is done."""
    store = MemoryTable()
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(store, on_outcome=outcomes.append)

    def handler(event: Event) -> Any:
        return PENDING[kind](event) if event["detail"]["IdempotencyKey"] == "k" else [event]

    response = deduplicator.process_batch(batch_of("k", "l"), handler, max_workers=max_workers)
    assert failed(response) == ["m0"]
    assert [outcome.status for outcome in outcomes] == [
        MessageStatus.HANDLER_FAILED,
        MessageStatus.COMPLETED,
    ]
    assert isinstance(outcomes[0].error, TypeError)
    assert "still to be done" in str(outcomes[0].error)
    assert is_released(store)


@pytest.mark.parametrize("kind", sorted(set(PENDING) - {"coroutine"}))
@pytest.mark.parametrize("is_async", [False, True])
def test_unfinished_work_fails_in_the_async_adapter(kind: str, is_async: bool) -> None:  # noqa: FBT001
    """Also what an async handler returns when it has been awaited; a bare coroutine is awaited."""
    store = MemoryTable()

    def plain(event: Event) -> Any:
        return PENDING[kind](event)

    async def handler(event: Event) -> Any:
        return PENDING[kind](event)

    process_batch = AsyncDeduplicator(Deduplicator(store)).process_batch
    response = awaited(process_batch, batch_of("k"), handler if is_async else plain)
    assert failed(response) == ["m0"]
    assert is_released(store)


@pytest.mark.parametrize("kind", PENDING)
def test_unfinished_work_is_an_error_under_once(kind: str) -> None:
    """The function's own name is in the error."""
    deduplicator = Deduplicator(MemoryTable())
    function = once(deduplicator=deduplicator)(lambda event: PENDING[kind](event))  # noqa: PLW0108 -- hides the kind
    with pytest.raises(TypeError, match=r"lambda> returned an? .*still to be done"):
        function(envelope("k"))
    assert isinstance(deduplicator.claim("k"), Claimed)


def test_work_that_was_handed_on_is_cancelled() -> None:
    """The message comes back, so what has not begun must not begin."""
    futures: list[Future[None]] = []
    tasks: list[asyncio.Task[None]] = []
    ran: list[Event] = []

    async def work(event: Event) -> None:
        ran.append(event)

    def hand_to_a_pool(_: Event) -> Future[None]:
        futures.append(Future())
        return futures[-1]

    def hand_to_the_loop(event: Event) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work(event)))
        return tasks[-1]

    async def main() -> None:
        deduplicator = Deduplicator(MemoryTable())
        assert failed(deduplicator.process_batch(batch_of("k"), hand_to_a_pool)) == ["m0"]
        assert failed(deduplicator.process_batch(batch_of("l"), hand_to_the_loop)) == ["m0"]
        await asyncio.wait(tasks)

    asyncio.run(main())
    assert futures[0].cancelled()
    assert tasks[0].cancelled()
    assert not ran
