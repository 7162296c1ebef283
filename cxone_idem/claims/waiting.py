"""The pauses of `CXONE_IDEM_WAIT_SECONDS`: how a claim waits for a worker elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from cxone_idem.claims.invocation import Invocation
from cxone_idem.config import Config
from cxone_idem.errors import InProgressError

# Each question costs a write unit, so pauses double: a minute's wait is some twenty questions.
# 0.1 s is what quick work takes. Beyond 5 s a longer pause saves little and finds a freed key late.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class WaitPolicy:
    """The pauses of one wait. They add up to `wait_seconds` at most; round trips come on top.

    `random` returns a number in [0, 1): workers that wait for one key must not ask all at once.
    """

    def __init__(self, config: Config, invocation: Invocation, random: Callable[[], float]) -> None:
        self._left_seconds = config.wait_seconds
        self._min_remaining_seconds = config.min_remaining_seconds
        self._invocation = invocation
        self._random = random
        self._step_seconds = _FIRST_PAUSE_SECONDS

    def pause_seconds_after(self, outcome: object) -> float:
        """Return how long to pause before claiming again; 0 if `outcome` is to stand."""
        if isinstance(outcome, InProgressError):
            return self.next_pause_seconds(outcome.retry_after_seconds)
        return 0

    def next_pause_seconds(self, retry_after_seconds: float) -> float:
        """Return how long to pause before asking again; 0 to wait no longer.

        The key is free in `retry_after_seconds` at the latest, as its lease then ends. The wait
        also ends if the invocation had no time left to start the work after the pause.
        """
        if self._left_seconds <= 0:
            return 0
        pause_seconds = self._step_seconds * (1 + self._random()) / 2
        self._step_seconds = min(2 * self._step_seconds, _LONGEST_PAUSE_SECONDS)
        pause_seconds = min(pause_seconds, max(retry_after_seconds, _FIRST_PAUSE_SECONDS))
        if self._left_seconds - pause_seconds < _FIRST_PAUSE_SECONDS:
            pause_seconds = self._left_seconds
        if pause_seconds >= self._invocation.spare_seconds(self._min_remaining_seconds):
            self._left_seconds = 0
            return 0
        self._left_seconds -= pause_seconds
        return pause_seconds
