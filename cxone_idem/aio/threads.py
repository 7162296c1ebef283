"""Blocking calls under asyncio: made in threads, and waited for whatever becomes of their task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import Any, TypeVar

Result = TypeVar("Result")

logger = logging.getLogger("cxone_idem")


class Threads:
    """Makes blocking calls elsewhere, and lets a cancellation go on only once they are through.

    `start` has a thread make a call, and raises `RuntimeError` if there is none to be had; `here`
    makes the call then, in the thread of the loop.
    """

    def __init__(
        self, start: Callable[[Call], object], here: Callable[[Call], object] | None = None
    ) -> None:
        self._start = start
        self._here = here or (lambda call: call())

    async def call(
        self,
        function: Callable[..., Result],
        *args: Any,
        cancel: Callable[[], object] = lambda: None,
        undo: Callable[[Result], object] = lambda _: None,
    ) -> Result:
        """Return what `function` returns.

        If this task is cancelled meanwhile, `cancel` hurries the call and `undo` gets its result.
        """
        future: asyncio.Future[Result] = self._submit(function, *args)
        if not await _outlasts(future, cancel):
            return future.result()
        if future.exception() is None:
            undone = self._submit(undo, future.result())
            await _outlasts(undone, lambda: None)
            if undone.exception() is not None:
                logger.error("what a cancelled task got was kept", exc_info=undone.exception())
        raise asyncio.CancelledError

    def _submit(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        call = Call(partial(copy_context().run, function, *args))
        try:
            self._start(call)
        except RuntimeError:
            self._here(call)
        return asyncio.wrap_future(call.ended)


class Call:
    """A call that is made once, by whoever comes first.

    A pool that cannot start a thread says so, and yet keeps the call for the threads it has.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.ended: Future[Any] = Future()
        self._function = function
        self._to_make = Lock()
        self.ended.set_running_or_notify_cancel()  # who waits no longer does not take it back

    def __call__(self) -> None:
        """Make the call, unless another thread does."""
        if not self._to_make.acquire(blocking=False):
            return
        try:
            result = self._function()
        except BaseException as error:  # noqa: BLE001 -- raised again where the call is awaited
            self.ended.set_exception(error)
        else:
            self.ended.set_result(result)


async def _outlasts(future: asyncio.Future[Any], cancel: Callable[[], object]) -> bool:
    """Wait until `future` is done; tell whether this task was cancelled meanwhile."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
            cancel()
    return cancelled
