"""Work done side by side, in the calling thread and in as many others as can be had."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Thread
from typing import Generic, TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")

logger = logging.getLogger("cxone_idem")


class Workers(Generic[Given, Result]):
    """Applies `work` to each of `given` in turn, under a copy of the caller's context variables."""

    def __init__(self, work: Callable[[Given], Result], given: Sequence[Given]) -> None:
        self._work = work
        self._left = deque(enumerate(given))
        self._context = copy_context()
        self._results: dict[int, Result] = {}
        self._errors: list[BaseException] = []

    def run(self, at_once: int) -> list[Result]:
        """Return the results in the order given. Raises what ended a worker, once all are over."""
        started: list[Thread] = []
        count = min(at_once, len(self._left)) - 1
        try:
            for _ in range(count):
                thread = Thread(target=self._serve, name="cxone_idem-worker", daemon=True)
                thread.start()
                started.append(thread)
        except RuntimeError as error:
            text = "%d of %d threads could not be started (%s): handlers run in those that were"
            logger.warning(text, count - len(started), count, error)
        try:
            self._serve()
        finally:
            for thread in started:
                thread.join()
        if self._errors:
            try:
                raise self._errors[0]
            finally:
                self._errors.clear()  # or the error would keep itself alive
        return [self._results[number] for number in sorted(self._results)]

    def _serve(self) -> None:
        while True:
            try:
                number, given = self._left.popleft()
            except IndexError:
                return
            try:
                self._results[number] = self._context.copy().run(self._work, given)
            except BaseException as error:  # noqa: BLE001 -- raised again in the calling thread
                self._errors.append(error)
