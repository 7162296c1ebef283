"""Which worlds are explored: a set for every run of the tests, and a larger one on request."""

from __future__ import annotations

from tests.verification.model.world import SECOND_MS, Budget, World

_TWO_MINUTES_MS = 120_000
# The last eighth of a second: a date cut to seconds is as wrong as it can be.
_LATE_IN_SECOND_MS = 1_000_875

SHORT = (
    World("handlers that raise and extend", Budget(4, losses=1, raises=1, extensions=1)),
    World("lost answers", Budget(4, losses=2)),
    World("requests that arrive after the client gave up", Budget(4, losses=1, ghosts=1)),
    World("crashes", Budget(4, crashes=2, losses=1)),
    World("two attempts at most", Budget(4, crashes=1, losses=1, raises=2), max_attempts=2),
    World("crashes and lapsing leases", Budget(3, crashes=1, waits=1)),
    World("clocks 2 minutes wrong", Budget(2, waits=1), (_TWO_MINUTES_MS, -_TWO_MINUTES_MS, 0)),
    World(
        "clocks 2 minutes wrong, late in the second",
        Budget(3),
        (_TWO_MINUTES_MS + 375, -_TWO_MINUTES_MS, 125),
        start_ms=_LATE_IN_SECOND_MS,
    ),
    World(
        "a clock that is set by 2 minutes",
        Budget(3, steps=1),
        step_ms=_TWO_MINUTES_MS,
    ),
    World(
        "no date, clocks 3 s apart",
        Budget(3, waits=1),
        (1500, -1500, -1500),
        tells_date=False,
    ),
)
"""Ten seconds for all of them."""

LONG = (
    World("everything, once", Budget(3, 1, 1, 0, 1, 1)),
    World("two lapses", Budget(3, waits=2)),
    World("lost answers and lapses", Budget(3, losses=2, waits=1)),
    World("three lost answers", Budget(5, losses=3)),
    World("late requests and lapses", Budget(3, ghosts=1, waits=1)),
    World("heartbeats and lapses", Budget(3, extensions=1, waits=1)),
    World("raising and crashing", Budget(5, crashes=2, raises=2, losses=1)),
    World(
        "clocks 2 minutes wrong, lapses and lost answers",
        Budget(2, losses=1, waits=2),
        (_TWO_MINUTES_MS, -_TWO_MINUTES_MS, -_TWO_MINUTES_MS),
    ),
    World(
        "clocks 2 minutes wrong, late in the second, lapses",
        Budget(3, waits=1),
        (_TWO_MINUTES_MS, -_TWO_MINUTES_MS, -_TWO_MINUTES_MS),
        start_ms=_LATE_IN_SECOND_MS,
        slow_ms=SECOND_MS,
    ),
    World(
        "a clock that is set by 2 minutes, and lapses",
        Budget(3, waits=1, steps=1),
        step_ms=_TWO_MINUTES_MS,
    ),
    World(
        "no date, clocks 3 s apart, crashes and lost answers",
        Budget(3, crashes=1, losses=1, waits=1),
        (1500, -1500, -1500),
        tells_date=False,
    ),
)
"""Some four minutes for all of them, and 1 GB for the largest."""

BATCHES = (
    World("the SQS adapter", Budget(4, crashes=1, losses=1, raises=1)),
    World("the SQS adapter and lapsing leases", Budget(3, waits=1, raises=1)),
)
"""The same check through `process_batch`, one message a batch."""

TRANSACTIONS = (
    World("transactions: lost answers", Budget(3, losses=2, raises=1, extensions=1), (0, 0)),
    World("transactions: crashes and lapses", Budget(3, crashes=1, waits=1), (0, 0)),
    World("transactions: late requests", Budget(3, losses=1, ghosts=1)),
    World("transactions: late requests and lapses", Budget(2, ghosts=1, waits=1), (0, 0)),
)
"""The effect and its record in one write: no window is left to exempt."""

TRANSACTIONS_LONG = (
    World("transactions: crashes and lost answers", Budget(4, 1, 2, raises=1, extensions=1)),
    World("transactions: everything, once", Budget(3, 1, 1, 0, 1, 1, 1)),
    World("transactions: three workers, late requests and lapses", Budget(3, ghosts=1, waits=1)),
    World("transactions: retention past", Budget(3, losses=1, waits=2), (0, 0)),
)

TRANSACTION_BATCHES = (
    World("transactions in batches", Budget(3, crashes=1, losses=1, raises=1)),
    World("transactions in batches, late requests", Budget(2, ghosts=1, waits=1), (0, 0)),
)

_BOTH = ((0, 1),)
_EITHER_ORDER = ((0, 1), (1, 0))
_OVERLAP = ((0, 1), (1,))
_TWO_WORKERS = (0, 0)

PAIRS = (
    World("pairs: crashes", Budget(2, crashes=1), _TWO_WORKERS, batches=_EITHER_ORDER),
    World("pairs: lost answers", Budget(2, crashes=1, losses=1), _TWO_WORKERS, batches=_BOTH),
    World("pairs: raising", Budget(2, losses=1, raises=1), _TWO_WORKERS, batches=_OVERLAP),
    # One worker: what others would then find is tried from every state, one lease later.
    World("pairs: lapsing", Budget(1, losses=1, waits=1), (0,), batches=_BOTH),
)
"""Batches of two messages with two keys."""

PAIRS_LONG = (
    World("pairs: everything", Budget(2, 1, 1, raises=1), _TWO_WORKERS, batches=_EITHER_ORDER),
    World(
        "pairs: lapsing, two workers", Budget(2, waits=1), _TWO_WORKERS, batches=_BOTH, slow_ms=0
    ),
    World("pairs: three workers", Budget(3, losses=1), batches=_OVERLAP),
    World("pairs: slow and lapsing", Budget(2, waits=1), _TWO_WORKERS, batches=_OVERLAP),
    World("pairs: late requests", Budget(2, ghosts=1), _TWO_WORKERS, batches=_BOTH),
)
