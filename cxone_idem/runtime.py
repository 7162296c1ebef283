"""Time and randomness of a process: everything about it that a test may want to replace.

Random numbers come from the operating system. A generator that was seeded before a snapshot of the
process would repeat itself in each copy of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


def random_version() -> str:
    """Return a version that no other write carries."""
    return os.urandom(16).hex()


def random_fraction() -> float:
    """Return a random number in [0, 1)."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


@dataclass(frozen=True, slots=True, repr=False)
class Runtime:
    """The clocks, the sleep and the randomness that this library works with."""

    def __repr__(self) -> str:
        return "Runtime()"  # a default argument, which help() and the site show

    now: Callable[[], float] = time.time
    """Returns the wall clock, epoch seconds."""
    monotonic: Callable[[], float] = time.monotonic
    """Returns a clock that nobody sets, seconds."""
    sleep: Callable[[float], object] = time.sleep
    """Pauses this thread for so many seconds."""
    new_version: Callable[[], str] = random_version
    """Returns a version that no other write carries."""
    random: Callable[[], float] = random_fraction
    """Returns a random number in [0, 1), for pauses that must not be the same everywhere."""


SYSTEM = Runtime()
"""The runtime outside of tests."""
