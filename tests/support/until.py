"""Waiting for what other processes do: looking until it is there, and no longer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# What is waited for takes seconds, on a machine with nothing else to do; after two minutes it will
# never come.
_PATIENCE_SECONDS = 120
_LOOK_EVERY_SECONDS = 0.05


def until(reached: Callable[[], object]) -> None:
    """Return once `reached()` is true; fail if it never is."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"not reached in {_PATIENCE_SECONDS} s: {reached}"
        threading.Event().wait(_LOOK_EVERY_SECONDS)
