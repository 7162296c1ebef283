"""The same verbs for asyncio: the synchronous library in threads, your handlers on your loop.

Threads, and not aiobotocore, by measurement: ten events at once, DynamoDB Local behind a 5 ms wire,
one botocore for both, medians of three runs on a busy machine. All of this library in threads,
beside the two bare requests an event needs on aiobotocore: CPU 1.16, wall 0.95. Batches of ten with
no-op handlers, beside two bare statements: CPU 0.84 ms an event to 0.46, wall 1.07. For that much
aiobotocore 3.10 brings thirteen packages, admits three patch releases of botocore, with which no
current boto3 goes, binds its client to one loop, and needs each path to the store a second time.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cxone_idem.claimed import AlreadyDone, Claimed
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.errors import IdemError, InProgressError
from cxone_idem.invocation import Invocation
from cxone_idem.record import Origin
from cxone_idem.sqs_batch import check_callable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cxone_idem.invocation import LambdaContext
    from cxone_idem.record import Record
    from cxone_idem.sqs_batch import BatchResponse, Envelope

Result = TypeVar("Result")

# The connections that the AWS SDK keeps (`max_pool_connections`): more threads would open and drop
# connections of their own.
_THREADS = 10


class AsyncClaimed:
    """A claim this process holds: do the work, then `complete` it. Truthy."""

    def __init__(self, claim: Claimed, threads: Threads) -> None:
        self._claim = claim
        self._threads = threads

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return f"Async{self._claim!r}"

    @property
    def key(self) -> str:
        """The key that is claimed."""
        return self._claim.key

    @property
    def generation(self) -> int:
        """1 for the first claim on the key, +1 on every takeover: the fencing number."""
        return self._claim.generation

    @property
    def record(self) -> Record:
        """The record as this claim last wrote it."""
        return self._claim.record

    async def complete(self) -> None:
        """Record that the work is done; see `Claimed.complete`."""
        await self._threads.call(self._claim.complete)

    async def release(self) -> None:
        """Give the key up undone; see `Claimed.release`."""
        await self._threads.call(self._claim.release)

    async def extend(self) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        await self._threads.call(self._claim.extend)


class AsyncDeduplicator:
    """A `Deduplicator` for asyncio. It is bound to no loop: make one for each process and keep it.

    A task that is cancelled in one of the verbs waits for the request under way, so that whatever
    was written is known: a claim granted meanwhile is given back, a completion stands.
    """

    def __init__(
        self,
        deduplicator: Deduplicator,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._deduplicator = deduplicator
        self._sleep = sleep
        self._threads = Threads(ThreadPoolExecutor(_THREADS, "cxone_idem-aio"))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> AsyncDeduplicator:
        """Make one on DynamoDB as the `CXONE_IDEM_*` variables say; raises `ConfigError`."""
        return cls(Deduplicator.from_environ(environ))

    async def claim(
        self, key: str, *, context: LambdaContext | None = None, origin: Origin | None = None
    ) -> AsyncClaimed | AlreadyDone:
        """Claim the work on `key`; waits and raises as `Deduplicator.claim` does."""
        invocation = Invocation(context)
        patience = self._deduplicator.patience(invocation)
        wanted = [(key, origin or Origin())]
        while True:
            (outcome,) = await self._threads.call(
                self._deduplicator.claim_all, wanted, invocation, undo=self._give_back
            )
            if isinstance(outcome, InProgressError):
                pause_seconds = patience.next_pause_seconds(outcome.retry_after_seconds)
                if pause_seconds:
                    # Not in a thread: those are for requests, also to end what is waited for.
                    await self._sleep(pause_seconds)
                    continue
            if isinstance(outcome, IdemError):
                raise outcome
            if isinstance(outcome, AlreadyDone):
                return outcome
            return AsyncClaimed(outcome, self._threads)

    async def complete(self, key_or_claim: str | AsyncClaimed) -> None:
        """Record that the work is done; see `Claimed.complete`."""
        await self._threads.call(self._deduplicator.complete, _plain(key_or_claim))

    async def release(self, key_or_claim: str | AsyncClaimed) -> None:
        """Give the key up undone; see `Claimed.release`."""
        await self._threads.call(self._deduplicator.release, _plain(key_or_claim))

    async def extend(self, key_or_claim: str | AsyncClaimed) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        await self._threads.call(self._deduplicator.extend, _plain(key_or_claim))

    async def process_batch(
        self,
        event: Any,
        process_event: Callable[[Envelope], object],
        *,
        context: LambdaContext | None = None,
        max_workers: int | None = None,
    ) -> BatchResponse:
        """Run `async def process_event` once per key over an SQS batch, on this loop.

        As `Deduplicator.process_batch`, but `max_workers` counts handlers that are awaited at once,
        each with the context variables of this call. If this task is cancelled, handlers that are
        being awaited are cancelled and no other starts; what is done is recorded and what is not is
        given back before the cancellation goes on.
        """
        check_callable(process_event)
        handlers = Handlers(process_event)

        def process() -> BatchResponse:
            return self._deduplicator.process_batch(
                event, handlers.run, context=context, max_workers=max_workers
            )

        # A thread of its own: it waits for handlers, which may themselves wait for free threads.
        with ThreadPoolExecutor(1, "cxone_idem-batch") as pool:
            return await Threads(pool).call(process, cancel=handlers.stop)

    def _give_back(self, outcomes: list[Claimed | AlreadyDone | IdemError]) -> None:
        claims = [outcome for outcome in outcomes if isinstance(outcome, Claimed)]
        self._deduplicator.release_all(claims, begun=False)


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


class BatchStoppedError(BaseException):
    """Ends a batch whose task was cancelled; no error of a handler, so it stops all of them."""


class Handlers:
    """Handlers of one batch: started from its threads, run as tasks of the loop this is made on."""

    def __init__(self, process_event: Callable[[Envelope], object]) -> None:
        self._process_event = process_event
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        # Touched on the loop only.
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def run(self, envelope: Envelope) -> None:
        """Have the handler do its work on the loop; return or raise, in this thread, as it does."""
        ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(self._start, envelope, ended, context=self._context)
        ended.result()

    def stop(self) -> None:
        """Cancel the handlers, and start no more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    def _start(self, envelope: Envelope, ended: concurrent.futures.Future[None]) -> None:
        if self._stopped:
            ended.set_exception(BatchStoppedError())
            return
        task = self._loop.create_task(self._work(envelope))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, ended))

    async def _work(self, envelope: Envelope) -> None:
        result = self._process_event(envelope)
        if inspect.isawaitable(result):
            await result

    def _end(self, task: asyncio.Task[None], ended: concurrent.futures.Future[None]) -> None:
        # Only now: a handler that is cancelled may still finish its work, and then it is done.
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
        elif self._stopped:
            error = BatchStoppedError()
        else:
            error = concurrent.futures.CancelledError("the handler was cancelled from within")
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)


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


def _plain(key_or_claim: str | AsyncClaimed) -> str | Claimed:
    return key_or_claim._claim if isinstance(key_or_claim, AsyncClaimed) else key_or_claim  # noqa: SLF001 -- this module's own
