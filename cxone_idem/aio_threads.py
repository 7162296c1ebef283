"""Blocking calls under asyncio: made in threads, and waited for whatever becomes of their task."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

Result = TypeVar("Result")


class Threads:
    """Runs blocking calls in threads, and lets a cancellation go on only once they are through."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

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
            await _outlasts(self._submit(undo, future.result()), lambda: None)
        raise asyncio.CancelledError

    def _submit(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, copy_context().run, function, *args)


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
