"""What is drawn at random, from the system's own source.

A generator that was seeded before a snapshot of the process would repeat itself in each copy of it.
"""

from __future__ import annotations

import os


def random_version() -> str:
    """Return a version that no other write carries."""
    return os.urandom(16).hex()


def random_share() -> float:
    """Return a random number from 0 to 1."""
    return os.urandom(1)[0] / 255
