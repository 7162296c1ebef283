"""Read by type checkers only: `if claim:` says which of the two results it is."""

from __future__ import annotations

from typing_extensions import assert_type

from cxone_idem import AlreadyDone, Claimed, claim
from cxone_idem.aio import AsyncClaimed, AsyncDeduplicator


def by_truth(key: str) -> int | None:
    """Do the work, or look when it was done."""
    claimed = claim(key)
    if claimed:
        assert_type(claimed, Claimed)
        with claimed:
            return claimed.generation
    assert_type(claimed, AlreadyDone)
    return claimed.record.done_at_ms


def by_denial(key: str) -> int:
    """Leave early."""
    claimed = claim(key)
    if not claimed:
        assert_type(claimed, AlreadyDone)
        return 0
    assert_type(claimed, Claimed)
    claimed.complete()
    return claimed.generation


async def on_a_loop(deduplicator: AsyncDeduplicator, key: str) -> None:
    """Do the same with `await`."""
    claimed = await deduplicator.claim(key)
    if claimed:
        assert_type(claimed, AsyncClaimed)
        async with claimed:
            return
    assert_type(claimed, AlreadyDone)


def mistakes(key: str) -> None:
    """Each line is refused: an ignore that nothing needs is an error of its own."""
    claimed = claim(key)
    claimed.complete()  # type: ignore[union-attr]
    with claimed:  # type: ignore[union-attr]
        pass
    if not claimed:
        claimed.complete()  # type: ignore[attr-defined]
