"""The same verbs for asyncio: the synchronous library in threads, your handlers on your loop.

Threads, and not aiobotocore, though they take more CPU. Measured on 2026-11-27 by `python -m
tests.bench.aio` against the same writes sent bare by aiobotocore 3.10.0 (botocore 1.43.117 for
both, Python 3.11.7, DynamoDB Local behind a 5 ms wire, two CPUs at a load average of 1 to 4): the
medians of four runs, and in parentheses those against a client that does not validate parameters,
as ours does not:

- ten events at once, each claimed and completed: 1.62 to 1.73 (1.69 to 1.93) of the CPU and 1.10 to
  1.15 (1.13 to 1.20) of the time of two PutItem an event;
- batches of ten with handlers that do nothing: 1.61 to 1.75 (1.93 to 2.39) of the CPU and 1.13 to
  1.20 (1.18 to 1.27) of the time of two BatchExecuteStatement.

Bare requests keep no claims and read no messages: a port to aiobotocore would save less than that.
For it, twelve more packages would come (on Python 3.11), only three patch releases of botocore
would do, a client would be bound to one loop, and each path to the store would be there twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from cxone_idem.aio.handlers import Handlers
from cxone_idem.aio.threads import Threads, outlast
from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.claims.claim import Claimed, log_not_released
from cxone_idem.claims.invocation import Invocation, LambdaContext
from cxone_idem.claims.manager import ClaimOutcome
from cxone_idem.claims.result import NO_RESULT
from cxone_idem.deduplicator import Deduplicator, claim_request
from cxone_idem.errors import IdemError, require
from cxone_idem.events.handler import check_handler
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import Origin, Record
from cxone_idem.sqs.batch import BatchResponse, Event, ProcessEvent
from cxone_idem.sqs.decoding import Decode
from cxone_idem.sqs.item import BatchStoppedError
from cxone_idem.sqs.outcome import Outcome

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncClaimed:
    """A claim this process holds: do the work, then `complete` it. Truthy.

    `async with` completes it at the end of the block, and releases it if the block raises.
    """

    def __init__(self, claim: Claimed, threads: Threads) -> None:
        self.claim = claim
        """The same claim for synchronous code."""
        self._threads = threads

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return f"Async{self.claim!r}"

    async def __aenter__(self) -> Self:
        self.claim.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._threads.call(self.claim.__exit__, kind, error, traceback)

    @property
    def key(self) -> str:
        """The key that is claimed."""
        return self.claim.key

    @property
    def generation(self) -> int:
        """1 for the first claim on the key, +1 on every takeover: the fencing token."""
        return self.claim.generation

    @property
    def record(self) -> Record:
        """The record as this claim last wrote it."""
        return self.claim.record

    async def complete(self, *, result: object = NO_RESULT) -> None:
        """Record that the work is done, with its result if one is given; see `Claimed.complete`."""
        await self._threads.call(self.claim.complete, result=result)

    async def transaction_item(self, *, result: object = NO_RESULT) -> Any:
        """Return what records the work as done in a transaction; see `Claimed.transaction_item`."""
        return await self._threads.call(self.claim.transaction_item, result=result)

    async def release(self) -> None:
        """Free the key undone; see `Claimed.release`."""
        await self._threads.call(self.claim.release)

    async def extend(self) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        await self._threads.call(self.claim.extend)


class AsyncDeduplicator:
    """A `Deduplicator` for asyncio. It is bound to no loop: make one for each process and keep it.

    A task that is cancelled in one of the verbs waits for the request under way, so that whatever
    was written is known: a claim granted meanwhile is released, a completion stays.
    """

    def __init__(
        self,
        deduplicator: Deduplicator,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        is_right = isinstance(deduplicator, Deduplicator)
        fix = "pass Deduplicator(store)"
        require(is_right, "deduplicator must be a Deduplicator", deduplicator, fix)
        self._deduplicator = deduplicator
        self._sleep = sleep
        self._threads = Threads()

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        client: Any = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        decode: Decode | None = None,
    ) -> AsyncDeduplicator:
        """Make one on DynamoDB as the `CXONE_IDEM_*` variables say; see `Deduplicator`.

        `on_outcome` and `decode` are called in the thread of a batch, not on the loop.
        """
        return cls(
            Deduplicator.from_environ(environ, client=client, on_outcome=on_outcome, decode=decode)
        )

    async def claim(
        self,
        key: str,
        *,
        context: LambdaContext | None = None,
        origin: Origin | None = None,
        fingerprint: Any = None,
    ) -> AsyncClaimed | AlreadyDone:
        """Claim the work on `key`; waits and raises as `Deduplicator.claim` does."""
        request = claim_request(key, origin, fingerprint)
        invocation = Invocation(context)
        waiting = self._deduplicator.claims.wait_policy(invocation)
        while True:
            (outcome,) = await self._threads.call(
                self._deduplicator.claims.claim_all, [request], invocation, undo=self._give_back
            )
            pause_seconds = waiting.pause_seconds_after(outcome)
            if not pause_seconds:
                break
            # Not in a thread: those are for requests, also to end what is waited for.
            await self._sleep(pause_seconds)
        if isinstance(outcome, IdemError):
            raise outcome
        if isinstance(outcome, AlreadyDone):
            return outcome
        return AsyncClaimed(Claimed(outcome, self._deduplicator.claims), self._threads)

    async def complete(
        self, key_or_claim: str | Claimed | AsyncClaimed, *, result: object = NO_RESULT
    ) -> None:
        """Record that the work is done, with its result if one is given; see `Claimed.complete`."""
        claim = _synchronous(key_or_claim)
        await self._threads.call(self._deduplicator.complete, claim, result=result)

    async def release(self, key_or_claim: str | Claimed | AsyncClaimed) -> None:
        """Free the key undone; see `Claimed.release`."""
        await self._threads.call(self._deduplicator.release, _synchronous(key_or_claim))

    async def extend(self, key_or_claim: str | Claimed | AsyncClaimed) -> None:
        """Make the lease last its full length from now; see `Claimed.extend`."""
        await self._threads.call(self._deduplicator.extend, _synchronous(key_or_claim))

    async def forget(self, key: str) -> None:
        """Make a key that is done free to claim again; see `Deduplicator.forget`."""
        await self._threads.call(self._deduplicator.forget, key)

    async def process_batch(
        self,
        event: Any,
        process_event: ProcessEvent[Event],
        *,
        context: LambdaContext | None = None,
        max_workers: int | None = None,
        decode: Decode | None = None,
    ) -> BatchResponse:
        """Run `async def process_event` once per key over an SQS batch, on this loop.

        As `Deduplicator.process_batch`, but `max_workers` counts handlers that are awaited at once,
        each with the context variables of this call and a `current_claim()` of its own. If this
        task is cancelled, handlers that are being awaited are cancelled and no other starts; what
        is done is recorded and what is not is given back before the cancellation goes on.
        """
        check_handler(process_event, awaited=True)
        handlers = Handlers(process_event)
        process = partial(
            self._deduplicator.process_batch,
            event,
            handlers,
            context=context,
            max_workers=max_workers,
            decode=decode,
        )
        try:
            return await outlast(_start_thread, process, cancel=handlers.stop)
        except BatchStoppedError:
            raise handlers.end or asyncio.CancelledError from None

    def _give_back(self, outcomes: list[ClaimOutcome]) -> None:
        claims = [held for held in outcomes if isinstance(held, HeldClaim)]
        log_not_released(claims, self._deduplicator.claims.release_all(claims, counts=False))


def _start_thread(batch: Callable[[], None]) -> None:
    """Have a thread of its own settle a batch.

    It waits for handlers, which may themselves wait for free threads; and no loop that was stopped
    in mid-batch is to keep the process from its end.
    """
    try:
        Thread(target=batch, name="cxone_idem-batch", daemon=True).start()
    except RuntimeError:
        message = (
            "no thread can be started to settle the batch while its handlers run on the loop, so"
            " nothing was claimed and no handler ran; retrying helps once the process has fewer"
            " threads"
        )
        raise IdemError(message) from None


def _synchronous(key_or_claim: str | Claimed | AsyncClaimed) -> str | Claimed:
    return key_or_claim.claim if isinstance(key_or_claim, AsyncClaimed) else key_or_claim
