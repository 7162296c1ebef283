"""The worlds that are explored: their clocks, and how much may go wrong in each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from cxone_idem import Config
from cxone_idem.record import partition_key

if TYPE_CHECKING:
    from cxone_idem.record import Record

# The lease only has to differ from its margin; the retention outlasts every wrong clock here.
CONFIG = Config(lease_seconds=10, retention_seconds=600)
LEASE_MS = 10_000
RETENTION_MS = 600_000
START_MS = 1_000_000
SECOND_MS = 1000
KEYS = ("k", "l")
_NUMBERS = {partition_key(CONFIG.namespace, key): number for number, key in enumerate(KEYS)}


def key_of(record: Record) -> int:
    """Return the number of the key that a record stands for."""
    return _NUMBERS[record.partition_key]


class Budget(NamedTuple):
    """How often each thing may still happen. What has no entry here is not limited."""

    deliveries: int = 3
    crashes: int = 0
    losses: int = 0
    """Answers that never come: each leads to the SDK's retry or to an error."""
    ghosts: int = 0
    """Requests given up on that the network still delivers, at any later time."""
    waits: int = 0
    """Times that the store's clock moves on, while every request and handler stands still."""
    raises: int = 0
    extensions: int = 0
    steps: int = 0
    """Times that a worker's clock is set to something else."""

    def __str__(self) -> str:
        return ", ".join(
            f"{count} {name}" for name, count in zip(self._fields, self, strict=True) if count
        )


class World(NamedTuple):
    """Some workers and keys, one store."""

    name: str
    budget: Budget
    clocks_ms: tuple[int, ...] = (0, 0, 0)
    """How far each worker's clock is ahead of the store's."""
    tells_date: bool = True
    start_ms: int = START_MS
    slow_ms: int = 3125
    """How long a slow moment lasts: longer than the lease's margin."""
    step_ms: int = 0
    batches: tuple[tuple[int, ...], ...] = ((0,),)
    """What a delivery may bring: the numbers of its messages' keys, in order."""
    max_attempts: int = 0
    reduced: bool = True
    """False leaves out nothing that is known to lead to nothing new: slow, and to check that."""

    @property
    def config(self) -> Config:
        """The settings of every worker."""
        return replace(CONFIG, max_attempts=self.max_attempts)

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return 1 + max(max(batch) for batch in self.batches)

    @property
    def fast_ms(self) -> int:
        """How far a worker may take the store to be ahead of what it is."""
        return max(0, *self.clocks_ms, abs(self.step_ms))

    @property
    def retention_slack_ms(self) -> int:
        """By how much retention may fall short: dates are cut to seconds, clocks may be slow."""
        apart_ms = max(self.clocks_ms) - min(self.clocks_ms)
        return SECOND_MS + abs(self.step_ms) + (0 if self.tells_date else apart_ms)
