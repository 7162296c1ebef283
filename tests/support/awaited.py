"""The async API under the names of the synchronous one, so that its tests run on it as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cxone_idem import AlreadyDone, Deduplicator
from cxone_idem.aio.deduplicator import AsyncClaimed, AsyncDeduplicator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def awaited(function: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
    """Call an async function in an event loop of its own."""

    async def call() -> Any:
        return await function(*args, **named)

    return asyncio.run(call())


class AwaitedClaimed:
    """An async claim whose verbs are waited for."""

    def __init__(self, claim: AsyncClaimed) -> None:
        self._claim = claim
        self.key = claim.key
        self.generation = claim.generation

    @property
    def record(self) -> Any:
        return self._claim.record

    def complete(self, **named: Any) -> None:
        awaited(self._claim.complete, **named)

    def transaction_item(self, **named: Any) -> Any:
        return awaited(self._claim.transaction_item, **named)

    def release(self) -> None:
        awaited(self._claim.release)

    def extend(self) -> None:
        awaited(self._claim.extend)


class AwaitedDeduplicator:
    """An async deduplicator whose verbs are waited for; handlers become async on the way."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._deduplicator = AsyncDeduplicator(Deduplicator(*args, **named))

    def claim(self, key: str, **named: Any) -> AwaitedClaimed | AlreadyDone:
        outcome = awaited(self._deduplicator.claim, key, **named)
        return AwaitedClaimed(outcome) if isinstance(outcome, AsyncClaimed) else outcome

    def complete(self, key: str, **named: Any) -> None:
        awaited(self._deduplicator.complete, key, **named)

    def release(self, key: str) -> None:
        awaited(self._deduplicator.release, key)

    def extend(self, key: str) -> None:
        awaited(self._deduplicator.extend, key)

    def process_batch(self, event: Any, process_event: Any, **named: Any) -> Any:
        async def process(envelope: Any) -> None:
            # In a thread, as the tests' handlers block and call the deduplicator.
            await asyncio.to_thread(process_event, envelope)

        handler = process if callable(process_event) else process_event
        return awaited(self._deduplicator.process_batch, event, handler, **named)
