"""Work in threads, each under a copy of the caller's context variables."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import Generic, TypeVar

Given = TypeVar("Given")

logger = logging.getLogger("cxone_idem")


class Workers(Generic[Given]):
    """Applies `work` to each of `given` in turn, in the calling thread and in others."""

    def __init__(self, work: Callable[[Given], object], given: Sequence[Given]) -> None:
        self._work = work
        self._left = deque(given)
        self._context = copy_context()
        self._errors: list[BaseException] = []

    def run(self, at_once: int) -> None:
        """Return once all is done. Raises what ended a worker, once all are over."""
        threads: list[Thread] = []
        count = min(at_once, len(self._left)) - 1
        try:
            for _ in range(count):
                thread = Thread(target=self._serve, name="cxone_idem-worker", daemon=True)
                thread.start()
                threads.append(thread)
        except RuntimeError as error:
            text = "%d of %d threads could not be started (%s): handlers run in those that were"
            logger.warning(text, count - len(threads), count, error)
        try:
            self._serve()
        finally:
            for thread in threads:
                thread.join()
        if self._errors:
            try:
                raise self._errors[0]
            finally:
                self._errors.clear()  # or the error would keep itself alive

    def _serve(self) -> None:
        while True:
            try:
                given = self._left.popleft()
            except IndexError:
                return
            try:
                self._context.copy().run(self._work, given)
            except BaseException as error:  # noqa: BLE001 -- raised again in the calling thread
                self._errors.append(error)


def started(work: Callable[[], None]) -> Future[None]:
    """Return the future of work in a thread of its own; it is done here if no thread can be had."""
    future: Future[None] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 -- raised again by `result`
            future.set_exception(error)

    try:
        Thread(target=run, name="cxone_idem-prefetch", daemon=True).start()
    except RuntimeError:
        run()
    return future
