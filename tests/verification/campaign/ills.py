"""Ills that come with an event: its first delivery brings them upon the worker that runs it."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Ill(str, Enum):
    """What happens while the handler runs."""

    VANISHES = "vanishes"
    """The event's record is deleted."""
    STEPS = "steps"
    """The worker's clock is set, forward or back."""
    STEPS_BACK_AND_PAUSES = "steps back and pauses"
    """It is set back, and where no deadline bounds that, the handler takes longer than a lease: the
    claims that were made ahead grow old, and the clock hides it."""
    HANGS_BEFORE = "hangs before"
    """The handler never gets to its effect: the invocation ends at its deadline."""
    HANGS_AFTER = "hangs after"
    """The handler makes its effect and never returns."""


def ill_of(number: int, every: int) -> Ill | None:
    """Return the ill of an event, if it has one: two or three in `every` events have."""
    turn, place = divmod(number, every)
    steps = Ill.STEPS_BACK_AND_PAUSES if turn % 2 else Ill.STEPS
    hangs = (Ill.HANGS_BEFORE, Ill.HANGS_AFTER, None)[turn % 3]
    return {1: Ill.VANISHES, 2: steps, 3: hangs}.get(place)


def hangs(event: dict[str, Any]) -> bool:
    """Tell whether a batch is to be killed at its deadline: a random kill must not come before."""
    return any('"hangs ' in record["body"] for record in event["Records"])
