"""The async handlers of a batch: started from its threads, run as tasks of its caller's loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Callable
from typing import Any

from cxone_idem.events.handler import check_returned, name_of
from cxone_idem.sqs.batch import Envelope
from cxone_idem.sqs.item import BatchStoppedError


class Handlers:
    """The handlers of one batch, on the loop that this is made on.

    Call it with an event, in a thread of the batch, to have the handler do its work on the loop.
    """

    def __init__(self, process_event: Callable[[Any], object]) -> None:
        self.__wrapped__ = process_event  # whose name a batch goes by
        self._process_event = process_event
        self._loop = asyncio.get_running_loop()
        # Touched on the loop only.
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._stopped = False
        self.end: BaseException | None = None
        """The error that a handler raised to end the process."""

    def __call__(self, envelope: Envelope) -> None:
        """Return or raise, in this thread, as the handler does."""
        # The task has the context of this thread: the caller's variables, and the current claim.
        end = asyncio.run_coroutine_threadsafe(self._work(envelope), self._loop).result()
        if end is not None:
            raise end

    def stop(self) -> None:
        """Cancel the handlers, and start no more."""
        self._stopped = True
        for task in self._tasks:
            if task is not None:
                task.cancel()

    async def _work(self, envelope: Envelope) -> BaseException | None:
        """Do the work of an event; return what would end the process.

        Raised in a task it would stop the loop at once, with the batch still under way.
        """
        if self._stopped:
            raise BatchStoppedError
        # Not kept here, where the frames of an error would keep the task, and so the error, alive.
        self._tasks.add(asyncio.current_task(self._loop))
        try:
            result = self._process_event(envelope)
            if inspect.isawaitable(result):
                result = await result
            check_returned(name_of(self._process_event), result)
        except asyncio.CancelledError:
            if self._stopped:
                raise BatchStoppedError from None
            message = "the handler was cancelled from within"
            raise concurrent.futures.CancelledError(message) from None
        except (KeyboardInterrupt, SystemExit) as error:
            self._tasks.discard(asyncio.current_task(self._loop))
            self.end = error
            self.stop()
            return error
        finally:
            self._tasks.discard(asyncio.current_task(self._loop))
        return None
