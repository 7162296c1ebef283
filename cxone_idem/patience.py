"""How long a claim waits for a worker elsewhere, and how often it asks again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.config import Config
    from cxone_idem.invocation import Invocation

# Each look costs a write unit, so pauses double: a minute's wait is some twenty looks. 0.1 s is
# what quick work takes; beyond 5 s a longer pause saves little and finds a freed key late.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class Patience:
    """The pauses of one wait. They add up to `wait_seconds` at most; round trips come on top.

    `share` returns a random number from 0 to 1: workers that wait for one key must not ask all at
    once.
    """

    def __init__(self, config: Config, invocation: Invocation, share: Callable[[], float]) -> None:
        self._left_seconds = config.wait_seconds
        self._min_remaining_seconds = config.min_remaining_seconds
        self._invocation = invocation
        self._share = share
        self._step_seconds = _FIRST_PAUSE_SECONDS

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait."""
        return self._left_seconds <= 0

    def next_pause_seconds(self, retry_after_seconds: float) -> float:
        """Return how long to pause before asking again; 0 if that makes no sense any more.

        The key is free `retry_after_seconds` from now at the latest, as its lease then ends. A
        pause after which the invocation had no time left to start the work makes no sense either.
        """
        if self.over:
            return 0
        pause_seconds = self._step_seconds * (1 + self._share()) / 2
        self._step_seconds = min(2 * self._step_seconds, _LONGEST_PAUSE_SECONDS)
        pause_seconds = min(pause_seconds, max(retry_after_seconds, _FIRST_PAUSE_SECONDS))
        if self._left_seconds - pause_seconds < _FIRST_PAUSE_SECONDS:
            pause_seconds = self._left_seconds
        if pause_seconds >= self._invocation.spare_seconds(self._min_remaining_seconds):
            self._left_seconds = 0
            return 0
        self._left_seconds -= pause_seconds
        return pause_seconds
