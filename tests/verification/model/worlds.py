"""Which worlds are explored: a set for every run of the tests, and a larger one on request."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tests.verification.model.consumer import by_the_batch, by_the_verbs, transacts, works
from tests.verification.model.process import CONFIG, ManyPort, Port, Program

if TYPE_CHECKING:
    from tests.verification.model.consumer import Handler

SECOND_MS = 1000
LEASE_MS = int(CONFIG.lease_seconds * SECOND_MS)
RETENTION_MS = int(CONFIG.retention_seconds * SECOND_MS)
TWO_MINUTES_MS = 120_000
# The last eighth of a second: a date cut to seconds is as wrong as it can be.
_LATE_MS = 1_000_875


class Budget(NamedTuple):
    """How often each thing may still happen. What has no entry here is not limited."""

    deliveries: int = 3
    crashes: int = 0
    losses: int = 0
    """Answers that never come: each leads to the SDK's retry or to an error."""
    ghosts: int = 0
    """Requests given up on that the network still delivers, at any later time."""
    waits: int = 0
    """Times that the store's clock moves on, while every request and handler stays as it is."""
    raises: int = 0
    extensions: int = 0
    steps: int = 0
    """Times that a worker's clock is set to something else."""

    def __str__(self) -> str:
        counts = zip(self._fields, self, strict=True)
        return ", ".join(f"{count} {name}" for name, count in counts if count)


class World(NamedTuple):
    """Some workers and keys, one store."""

    name: str
    budget: Budget = Budget()
    clocks_ms: tuple[int, ...] = (0, 0, 0)
    """How far each worker's clock is ahead of the store's."""
    sends_date: bool = True
    start_ms: int = 1_000_000
    slow_ms: int = 3125
    """How long a slow moment lasts: longer than the lease's margin."""
    step_ms: int = 0
    max_attempts: int = 0
    handler: Handler = works
    in_batches: bool = False
    """Whether workers consume with `process_batch`, or else with the verbs."""
    batches: tuple[tuple[int, ...], ...] = ((0,),)
    """What a delivery may bring: the numbers of its messages' keys, in order."""
    reduced: bool = True
    """False leaves out nothing that is known to lead to nothing new: slow, and to check that."""

    def program(self) -> Program:
        """Return what every worker runs."""
        deliver = partial(by_the_batch if self.in_batches else by_the_verbs, self.handler)
        config = replace(CONFIG, max_attempts=self.max_attempts)
        port = ManyPort() if self.keys > 1 else Port()
        return Program(port, config, deliver, merge=self.reduced)

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return 1 + max(max(batch) for batch in self.batches)


_PAIR = (0, 0)
_FAST_AND_SLOW = (TWO_MINUTES_MS, -TWO_MINUTES_MS, 0)
_ONE_FAST = (TWO_MINUTES_MS, -TWO_MINUTES_MS, -TWO_MINUTES_MS)
_UNEVEN = (TWO_MINUTES_MS + 375, -TWO_MINUTES_MS, 125)
_3_S = (1500, -1500, -1500)
_LATE = "clocks 2 minutes wrong, late in the second"
_STEP = "a clock that is set by 2 minutes"
_APART = "no date, clocks 3 s apart"

_SHORT = (
    World("handlers that raise and extend", Budget(4, losses=1, raises=1, extensions=1)),
    World("lost answers", Budget(4, losses=2)),
    World("requests that arrive after the client gave up", Budget(4, losses=1, ghosts=1)),
    World("crashes", Budget(4, crashes=2, losses=1)),
    World("two attempts at most", Budget(4, crashes=1, losses=1, raises=2), max_attempts=2),
    World("crashes and lapsing leases", Budget(3, crashes=1, waits=1)),
    World("clocks 2 minutes wrong", Budget(2, waits=1), _FAST_AND_SLOW),
    World(_LATE, Budget(3), _UNEVEN, start_ms=_LATE_MS),
    World(_STEP, Budget(3, steps=1), step_ms=TWO_MINUTES_MS),
    World(_APART, Budget(3, waits=1), _3_S, sends_date=False),
    # A claim whose answer is late, and then a release of an older one: no promise is longer for it.
    World("everything, once", Budget(3, 1, 1, 0, 1, 1)),
)

_LONG = (
    World("two lapses", Budget(3, waits=2)),
    World("lost answers and lapses", Budget(3, losses=2, waits=1)),
    World("three lost answers", Budget(5, losses=3)),
    World("late requests and lapses", Budget(3, ghosts=1, waits=1)),
    World("heartbeats and lapses", Budget(3, extensions=1, waits=1)),
    World("raising and crashing", Budget(5, crashes=2, raises=2, losses=1)),
    World("clocks 2 minutes wrong, lapses and lost answers", Budget(2, 0, 1, 0, 2), _ONE_FAST),
    World(f"{_LATE}, lapses", Budget(3, waits=1), _ONE_FAST, start_ms=_LATE_MS, slow_ms=SECOND_MS),
    World(f"{_STEP}, and lapses", Budget(3, waits=1, steps=1), step_ms=TWO_MINUTES_MS),
    World(f"{_APART}, crashes and lost answers", Budget(3, 1, 1, 0, 1), _3_S, sends_date=False),
)

_BATCHES = (
    World("the SQS adapter", Budget(4, crashes=1, losses=1, raises=1)),
    World("the SQS adapter and lapsing leases", Budget(3, waits=1, raises=1)),
)
"""The same check through `process_batch`, one message a batch."""

_TRANSACTIONS = (
    World("transactions: lost answers", Budget(3, losses=2, raises=1, extensions=1), _PAIR),
    World("transactions: crashes and lapses", Budget(3, crashes=1, waits=1), _PAIR),
    World("transactions: late requests", Budget(3, losses=1, ghosts=1)),
    World("transactions: late requests and lapses", Budget(2, ghosts=1, waits=1), _PAIR),
)
"""The effect and its record in one write: no window is left to exempt."""

_TRANSACTIONS_LONG = (
    World("transactions: crashes and lost answers", Budget(4, 1, 2, raises=1, extensions=1)),
    World("transactions: everything, once", Budget(3, 1, 1, 0, 1, 1, 1)),
    World("transactions: three workers, late requests and lapses", Budget(3, ghosts=1, waits=1)),
    World("transactions: retention past", Budget(3, losses=1, waits=2), _PAIR),
)

_TRANSACTION_BATCHES = (
    World("transactions in batches", Budget(3, crashes=1, losses=1, raises=1)),
    World("transactions in batches, late requests", Budget(2, ghosts=1, waits=1), _PAIR),
)

BOTH = ((0, 1),)
_EITHER_ORDER = ((0, 1), (1, 0))
_OVERLAP = ((0, 1), (1,))

_PAIRS = (
    World("pairs: crashes", Budget(2, crashes=1), _PAIR, batches=_EITHER_ORDER),
    World("pairs: lost answers", Budget(2, crashes=1, losses=1), _PAIR, batches=BOTH),
    World("pairs: raising", Budget(2, losses=1, raises=1), _PAIR, batches=_OVERLAP),
    # One worker: what others would then find is tried from every state, one lease later.
    World("pairs: lapsing", Budget(1, losses=1, waits=1), (0,), batches=BOTH),
)
"""Batches of two messages with two keys: claims made ahead in one request, group commits."""

_PAIRS_LONG = (
    World("pairs: everything", Budget(2, 1, 1, raises=1), _PAIR, batches=_EITHER_ORDER),
    World("pairs: lapsing, two workers", Budget(2, waits=1), _PAIR, batches=BOTH, slow_ms=0),
    World("pairs: three workers", Budget(3, losses=1), batches=_OVERLAP),
    World("pairs: slow and lapsing", Budget(2, waits=1), _PAIR, batches=_OVERLAP),
    World("pairs: late requests", Budget(2, ghosts=1), _PAIR, batches=BOTH),
)


def _all(*worlds: World, **changes: object) -> tuple[World, ...]:
    return tuple(world._replace(**changes) for world in worlds)  # type: ignore[arg-type]


SHORT = (
    *_SHORT,
    *_all(*_BATCHES, *_PAIRS, in_batches=True),
    *_all(*_TRANSACTIONS, handler=transacts),
    *_all(*_TRANSACTION_BATCHES, handler=transacts, in_batches=True),
)
"""A minute for all of them."""

LONG = (
    *_LONG,
    *_all(*_PAIRS_LONG, in_batches=True),
    *_all(*_TRANSACTIONS_LONG, handler=transacts),
)
"""Some minutes for all of them, and 1 GB for the largest."""

CONTROLS = (
    World("lapses", Budget(2, waits=1)),
    World("lapses, lost answers", Budget(2, losses=1, waits=1), _PAIR),
    World("lost answers, raising and extending", Budget(2, 0, 1, raises=1, extensions=1)),
    World("crashes", Budget(3, crashes=1)),
    World("late requests", Budget(2, losses=1, ghosts=1), _PAIR),
    World("transactions", Budget(2, losses=1, raises=1), handler=transacts),
    World("batches", Budget(2, losses=1, raises=1), in_batches=True),
    World("pairs", Budget(2, crashes=1), _PAIR, batches=BOTH, in_batches=True),
    World(
        "pairs, lost answers", Budget(1, losses=1, raises=1), (0,), batches=BOTH, in_batches=True
    ),
)
"""Small enough to be searched without leaving anything out."""
