"""Ills that come with an event: its first deliveries bring them upon the worker that runs it."""

from __future__ import annotations

from enum import Enum


class Ill(str, Enum):
    """What happens while the handler runs."""

    VANISHES = "vanishes"
    """The event's record is deleted."""
    STEPS = "steps"
    """The worker's clock is set, forward or back."""
    STEPS_AND_PAUSES = "steps and pauses"
    """It is set, and the handler then takes longer than a lease, if no deadline bounds that."""
    HANGS_BEFORE = "hangs before"
    """The handler never gets to its effect: the invocation ends at its deadline."""
    HANGS_AFTER = "hangs after"
    """The handler makes its effect and never returns."""


def ill_of(number: int, every: int) -> Ill | None:
    """Return the ill of an event; of `every` events one has each kind, and two vanish."""
    turn, place = divmod(number, every)
    if place in {1, every // 2}:
        return Ill.VANISHES
    if place == 2:  # noqa: PLR2004 -- as any other place would do
        return Ill.STEPS_AND_PAUSES if turn % 2 else Ill.STEPS
    if place == 3:  # noqa: PLR2004 -- as above
        return Ill.HANGS_AFTER if turn % 2 else Ill.HANGS_BEFORE
    return None
