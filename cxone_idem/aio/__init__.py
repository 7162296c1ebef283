"""The same verbs for asyncio: `AsyncDeduplicator`, and the `AsyncClaimed` it returns."""

from cxone_idem.aio.deduplicator import AsyncClaimed, AsyncDeduplicator

__all__ = ["AsyncClaimed", "AsyncDeduplicator"]
