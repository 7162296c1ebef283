"""What is drawn at random, from the system's own source.

A generator that was seeded before a snapshot of the process would repeat itself in each copy of it.
"""

from __future__ import annotations

import os


def random_version() -> str:
    """Return a version that no other write carries."""
    return os.urandom(16).hex()


def random_share() -> float:
    """Return a random number in [0, 1)."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
