"""Which fault hits which request: drawn one by one, or for all of a worker's during a spell."""

from __future__ import annotations

import time
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random

BATCH = "BatchExecuteStatement"
OPERATIONS = frozenset({BATCH, "PutItem", "UpdateItem", "DeleteItem", "GetItem"})
"""What faults hit."""

_SHARES = {
    "throttled": 0.020,
    "statements throttled": 0.020,
    "server error": 0.015,
    "latency": 0.040,
    "cut before execution": 0.015,
    "cut after execution": 0.020,
    # The client gives up after a second; what it sent is executed all the same, and later.
    "executed after time-out": 0.005,
    "answered after time-out": 0.005,
    "no responses": 0.005,
    "fewer responses": 0.005,
    "unspecified error": 0.005,
    "refused without its item": 0.010,
}
"""The share of requests that each fault hits."""

OF_BATCHES = frozenset(
    {
        "statements throttled",
        "no responses",
        "fewer responses",
        "unspecified error",
        "refused without its item",
    }
)


class _Spell(NamedTuple):
    share: float
    seconds: tuple[float, float]


_SPELLS = {
    # Long enough for every attempt that a call makes, and for a whole invocation.
    "outage": _Spell(0.003, (0.5, 2.0)),
    "throttled for a while": _Spell(0.006, (2.5, 4.0)),
    "hanging": _Spell(0.006, (2.5, 4.0)),
}
"""What befalls all requests of one worker for a while: how often that begins, how long it lasts."""

FAULTS = (*_SHARES, *_SPELLS)
_SHARE_OF = {**_SHARES, **{name: spell.share for name, spell in _SPELLS.items()}}
# Until each fault has been seen once, so that a short campaign has them all.
_ONE_IN_REQUESTS = 6


class Faults:
    """Draws faults and counts those that took effect. Thread-safe."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = Lock()
        self._drawn = 0
        self._unseen = list(FAULTS)
        self._spells: dict[str, tuple[str, float]] = {}

    def draw(self, worker: str, operation: str, draw: random.Random) -> str:
        """Return the fault that is to hit a worker's request; empty if none is."""
        now = time.monotonic()
        with self._lock:
            self.counts["requests"] += 1
            fault, until = self._spells.get(worker, ("", 0.0))
            if now < until:
                return fault
            fault = self._one(operation, draw)
            if fault in _SPELLS:
                self._spells[worker] = fault, now + draw.uniform(*_SPELLS[fault].seconds)
            return fault

    def count(self, fault: str) -> None:
        """Note that a fault took effect."""
        with self._lock:
            self.counts[fault] += 1
            if fault in self._unseen:
                self._unseen.remove(fault)

    def _one(self, operation: str, draw: random.Random) -> str:
        if operation not in OPERATIONS:
            return ""
        self._drawn += 1
        due = self._unseen if self._drawn % _ONE_IN_REQUESTS == 0 else []
        for fault in due:
            if fault not in OF_BATCHES or operation == BATCH:
                self._unseen.remove(fault)
                if fault in OF_BATCHES:  # it may turn out to have no effect on this one
                    self._unseen.append(fault)
                return fault
        drawn = draw.random()
        for fault, share in _SHARE_OF.items():
            drawn -= share
            if drawn < 0:
                return fault if fault not in OF_BATCHES or operation == BATCH else ""
        return ""
