"""Group commit: which completions go together, and for how long one waits for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, MemoryStore
from cxone_idem.claims.invocation import Invocation
from cxone_idem.record import State
from cxone_idem.sqs.committer import GroupCommitter
from tests.support.clocks import MovableClock
from tests.support.events import Context, batch, batch_of, failed, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.protocol.store import ConditionalPut, PutResult


class GroupStore:
    """Keeps how many completions each request held."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.completions: list[int] = []

    def put_if(self, *_: object) -> Any:
        raise AssertionError

    def put_many(self, puts: Sequence[ConditionalPut], *_: object) -> list[PutResult]:
        done = sum(put.record.state is State.DONE for put in puts)
        self.completions += [done] if done else []
        return [self.memory.put_if(*put) for put in puts]


def completions_of(config: Config, keys: int, context: Context | None = None) -> list[int]:
    """Return the sizes of the groups in which a batch is completed."""
    store = GroupStore()
    # The last message has no key, so that no completion is the last one of its batch.
    event = batch(*batch_of(*map(str, range(keys)))["Records"], record("bad", "no json"))
    deduplicator = Deduplicator(store, config)
    assert failed(deduplicator.process_batch(event, lambda _: None, context=context)) == ["bad"]
    return store.completions


def test_completions_wait_for_others() -> None:
    """With a second to wait, all that a quick batch has to complete goes together."""
    assert completions_of(Config(linger_ms=1000), 20) == [20]


def test_more_completions_than_fit_a_request_are_all_recorded() -> None:
    """However many wait when their turn comes."""
    assert sum(completions_of(Config(linger_ms=1000), 60)) == 60


def test_the_last_completion_waits_for_nothing() -> None:
    """Those that wait go with it."""
    store = GroupStore()
    deduplicator = Deduplicator(store, Config(linger_ms=1000))
    assert failed(deduplicator.process_batch(batch_of("a", "b", "c"), lambda _: None)) == []
    assert sum(store.completions) == 3
    assert store.completions[-1] >= 1


@pytest.mark.parametrize(
    ("remaining_ms", "waited_seconds", "left_seconds"),
    [(60_000, 0, 0.5), (60_000, 0.2, 0.3), (60_000, 5, 0), (1_200, 0, 0.2), (900, 0, 0)],
)
def test_a_wait_counts_from_the_oldest_and_ends_with_the_invocations_time(
    clock: MovableClock, remaining_ms: int, waited_seconds: float, left_seconds: float
) -> None:
    """What is kept for logging and the answer is never waited away."""
    config = Config(linger_ms=500, min_remaining_seconds=1)
    deduplicator = Deduplicator(MemoryStore(), config, runtime=clock_runtime(clock))
    committer = GroupCommitter(deduplicator.claims, Invocation(Context(remaining_ms)))
    clock.advance(waited_seconds)
    found = committer._linger_seconds()  # noqa: SLF001 -- how long it would wait, without waiting
    assert found == pytest.approx(left_seconds)


def clock_runtime(clock: MovableClock) -> Any:
    """Return a runtime whose monotonic clock moves by hand."""
    from cxone_idem.runtime import Runtime  # noqa: PLC0415

    return Runtime(now=clock, monotonic=clock)
