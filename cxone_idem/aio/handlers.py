"""The async handlers of a batch: started from its threads, run as tasks of its caller's loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

from cxone_idem.claims.claim import Claimed, current_claim, under
from cxone_idem.events.handler import check_returned, name_of
from cxone_idem.sqs.batch import Envelope
from cxone_idem.sqs.item import BatchStoppedError


class Handlers:
    """The handlers of one batch, on the loop and in the context that this is made in.

    Call it with an event, in a thread of the batch, to have the handler do its work on the loop.
    """

    def __init__(self, process_event: Callable[[Envelope], object]) -> None:
        self.__wrapped__ = process_event  # whose name a batch goes by
        self._process_event = process_event
        self._name = name_of(process_event)
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        # Touched on the loop only.
        self._tasks: set[asyncio.Task[BaseException | None]] = set()
        self._stopped = False
        self.end: BaseException | None = None
        """What a handler raised to end the process."""

    def __call__(self, envelope: Envelope) -> None:
        """Return or raise, in this thread, as the handler does."""
        ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        start = partial(self._start, envelope, current_claim(), ended)
        self._loop.call_soon_threadsafe(start, context=self._context)
        ended.result()

    def stop(self) -> None:
        """Cancel the handlers, and start no more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    def _start(
        self,
        envelope: Envelope,
        claim: Claimed | None,
        ended: concurrent.futures.Future[None],
    ) -> None:
        if self._stopped:
            ended.set_exception(BatchStoppedError())
            return
        with under(claim):
            task = self._loop.create_task(self._work(envelope))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, ended))

    async def _work(self, envelope: Envelope) -> BaseException | None:
        """Do the work of an event; return what would end the process.

        Raised in a task it would stop the loop at once, with the batch still under way.
        """
        try:
            result = self._process_event(envelope)
            if inspect.isawaitable(result):
                result = await result
            check_returned(self._name, result)
        except (KeyboardInterrupt, SystemExit) as error:
            return error
        return None

    def _end(
        self, task: asyncio.Task[BaseException | None], ended: concurrent.futures.Future[None]
    ) -> None:
        # Only now: a handler that is cancelled may still finish its work, and then it is done.
        self._tasks.discard(task)
        error: BaseException | None
        if not task.cancelled():
            error = task.exception() or task.result()
        elif self._stopped:
            error = BatchStoppedError()
        else:
            error = concurrent.futures.CancelledError("the handler was cancelled from within")
        if error is None:
            ended.set_result(None)
            return
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.end = error
            self.stop()
        ended.set_exception(error)
