"""Nothing of a message outlives its batch, and nobody has to wait for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, MemoryStore, MessageStatus, StoreError
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from cxone_idem.record import State
from tests.support.events import batch_of, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cxone_idem import Outcome
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

Event = dict[str, Any]


class Big:
    """What a handler works on."""


class HandlerError(Exception):
    """An error that can be watched."""


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep log records, and so their tracebacks, from those who collect them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("cxone_idem"), "disabled", True)
        yield


class Handler:
    """Keeps a weak eye on what its handlers held, and fails as its test says."""

    def __init__(self, fail: Callable[[], object]) -> None:
        self.held: list[weakref.ref[Big]] = []
        self._fail = fail

    def plain(self, _: Event) -> None:
        """Work on something, and fail or not."""
        big = Big()
        self.held.append(weakref.ref(big))
        self._fail()

    async def awaited(self, _: Event) -> None:
        """Do the same on the loop."""
        big = Big()
        self.held.append(weakref.ref(big))
        await asyncio.sleep(0)
        self._fail()


def returns() -> None:
    """Do not fail."""


def raises() -> None:
    """Fail."""
    raise HandlerError


def raises_from_another() -> None:
    """Fail while another failure is handled, with data in both frames."""
    big = [Big()]
    try:
        raises()
    except HandlerError as error:
        message = f"{len(big)}"
        raise ValueError(message) from error


def raises_what_it_keeps() -> None:
    """Fail with an error that is a local, a circle of the handler's own."""
    error = RuntimeError()
    raise error


def cancelled() -> None:
    """Fail as a cancelled task does."""
    raise asyncio.CancelledError


FAILS = [returns, raises, raises_from_another, raises_what_it_keeps, cancelled]


@pytest.fixture(autouse=True)
def _no_garbage_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("fail", FAILS)
@pytest.mark.parametrize("max_workers", [1, 3])
def test_what_a_handler_held_is_gone_with_its_batch(
    fail: Callable[[], object], max_workers: int
) -> None:
    """Even while somebody keeps the outcome, or the log its record."""
    outcomes: list[Outcome] = []
    handler = Handler(fail)
    deduplicator = Deduplicator(MemoryStore(), on_outcome=outcomes.append)
    response = deduplicator.process_batch(
        batch_of("a", "b", "c"), handler.plain, max_workers=max_workers
    )
    assert len(failed(response)) == (0 if fail is returns else 3)
    assert [ref() for ref in handler.held] == [None] * 3


@pytest.mark.parametrize("fail", FAILS)
@pytest.mark.parametrize("max_workers", [1, 3])
def test_what_an_async_handler_held_is_gone_with_its_batch(
    fail: Callable[[], object], max_workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits on the loop is held by nobody either."""
    caplog.set_level(logging.CRITICAL, "cxone_idem")  # or a record would keep its traceback
    handler = Handler(fail)
    deduplicator = AsyncDeduplicator(Deduplicator(MemoryStore()))

    async def main() -> None:
        await deduplicator.process_batch(
            batch_of("a", "b", "c"), handler.awaited, max_workers=max_workers
        )
        assert [ref() for ref in handler.held] == [None] * 3

    asyncio.run(main())


def test_what_ended_the_batch_leaves_nothing_of_the_others() -> None:
    """The failures before it let go as well."""
    handler = Handler(raises)

    def process(event: Event) -> None:
        if event["detail"]["IdempotencyKey"] == "c":
            raise SystemExit
        handler.plain(event)

    with pytest.raises(SystemExit):
        Deduplicator(MemoryStore()).process_batch(batch_of("a", "b", "c"), process)
    assert [ref() for ref in handler.held] == [None] * 2


class Broken(MemoryStore):
    """A store that takes nothing, or no completions."""

    def __init__(self, *states: State) -> None:
        super().__init__()
        self._states = states

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        if record.state in self._states:
            problem = "there is no such table"
            raise StoreError(problem, "t", "PutItem", retryable=False)
        return super().put_if(record, expected_version)


@pytest.mark.parametrize(
    ("status", "states"),
    [
        (MessageStatus.HANDLER_FAILED, []),
        (MessageStatus.HANDLER_FAILED, [State.RELEASED]),
        (MessageStatus.STORE_FAILED, [State.IN_PROGRESS]),
        (MessageStatus.UNRECORDED, [State.DONE]),
    ],
)
def test_an_error_is_gone_with_its_batch(status: MessageStatus, states: list[State]) -> None:
    """Nothing in the library goes round in a circle with it: outcomes go with the batch."""
    errors: list[weakref.ref[BaseException]] = []

    def look(outcome: Outcome) -> None:
        assert outcome.status is status
        assert outcome.error is not None
        errors.append(weakref.ref(outcome.error))

    deduplicator = Deduplicator(Broken(*states), on_outcome=look)
    handler = Handler(raises if status is MessageStatus.HANDLER_FAILED else returns)
    with unlogged(), suppress(StoreError):
        deduplicator.process_batch(batch_of("a", "b"), handler.plain)
    assert [ref() for ref in errors] == [None] * 2


def test_an_error_that_is_kept_still_says_where_it_was_raised() -> None:
    """Only what its frames held is gone."""
    errors: list[BaseException | None] = []
    deduplicator = Deduplicator(
        MemoryStore(), Config(), on_outcome=lambda outcome: errors.append(outcome.error)
    )
    deduplicator.process_batch(batch_of("a"), Handler(raises_from_another).plain)
    text = "".join(traceback.format_exception(errors[0]))
    assert "in raises_from_another" in text
    assert "in raises\n" in text


def test_what_is_merely_suspended_goes_on() -> None:
    """A generator that caught the error and waits is none of ours to end."""
    waiting: list[Any] = []

    def survivor() -> Iterator[str]:
        try:
            yield "ready"
        except RuntimeError:
            yield "caught"
        yield "alive"

    def handler(_: Event) -> None:
        error = RuntimeError()
        waiting.append(survivor())
        next(waiting[0])
        waiting[0].throw(error)
        raise error

    assert failed(Deduplicator(MemoryStore()).process_batch(batch_of("k"), handler)) == ["m0"]
    assert next(waiting[0]) == "alive"


def test_a_batch_that_raises_keeps_nothing_alive() -> None:
    """What no retry can help is raised, and goes when its caller is through with it."""
    watched: list[weakref.ref[BaseException]] = []
    with unlogged():
        try:
            Deduplicator(Broken(State.IN_PROGRESS)).process_batch(batch_of("a", "b"), print)
        except StoreError as error:
            watched.append(weakref.ref(error))
    assert watched[0]() is None
