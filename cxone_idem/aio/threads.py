"""Blocking calls under asyncio: made in threads, and waited for whatever becomes of their task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")
Start = Callable[[Callable[[], None]], object]

logger = logging.getLogger("cxone_idem")

# The connections that the AWS SDK keeps (`max_pool_connections`): more threads would open and drop
# connections of their own.
_THREADS = 10


class Threads:
    """The threads that make requests to the store."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "cxone_idem-aio")

    async def call(
        self,
        function: Callable[..., Result],
        *args: Any,
        undo: Callable[[Result], object] | None = None,
        **named: Any,
    ) -> Result:
        """Return what a blocking `function` returns; `undo` it if this task is cancelled."""
        return await outlast(self._start, partial(function, *args, **named), undo=undo)

    def _start(self, call: Callable[[], None]) -> None:
        try:
            self._pool.submit(call)
        except RuntimeError:  # no thread to be had
            call()


async def outlast(
    start: Start,
    function: Callable[[], Result],
    *,
    cancel: Callable[[], object] = lambda: None,
    undo: Callable[[Result], object] | None = None,
) -> Result:
    """Return what `function` returns, in a thread of `start`; a cancellation waits for its end.

    `cancel` then hurries the call, and `undo` gets its result.
    """
    future: asyncio.Future[Result] = _started(start, function)
    if not await _is_cancelled_before(future, cancel):
        return future.result()
    if future.exception() is None and undo:  # asked in any case, or the loop logs it as unseen
        undone = _started(start, partial(undo, future.result()))
        await _is_cancelled_before(undone)
        if undone.exception() is not None:
            text = "the claim of a cancelled task could not be given back; its lease will end"
            logger.error(text, exc_info=undone.exception())
    raise asyncio.CancelledError


def _started(start: Start, function: Callable[[], Any]) -> asyncio.Future[Any]:
    """Return the future of a call that is made once, by the first thread that comes to it.

    A pool that cannot start a thread says so, and yet keeps the call for the threads it has.
    """
    ended: Future[Any] = Future()
    ended.set_running_or_notify_cancel()  # who waits no longer does not take it back
    context, calls = copy_context(), [function]

    def make() -> None:
        try:
            call = calls.pop()
        except IndexError:
            return
        try:
            ended.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001 -- raised again where the call is awaited
            ended.set_exception(error)

    start(make)
    return asyncio.wrap_future(ended)


async def _is_cancelled_before(
    future: asyncio.Future[Any], cancel: Callable[[], object] = lambda: None
) -> bool:
    """Wait until `future` is done; return whether this task was cancelled meanwhile."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
            cancel()
    return cancelled
