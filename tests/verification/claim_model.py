"""What the public API promises, as a dict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cxone_idem.protocol.clock import LEASE_MARGIN_MS
from cxone_idem.record import State

if TYPE_CHECKING:
    from cxone_idem import Claimed

LEASE_SECONDS = 10
RETENTION_SECONDS = 600
CLOCKS_SECONDS = (0.0, 119.5, -120.25)
"""How wrong each worker's clock is. One that is fast makes its first lease that much longer."""
# Whole-second dates cost a second each way.
_DATE_SECONDS = 1


@dataclass(eq=False)
class Held:
    """What the model knows of one claim."""

    worker: int
    key: str
    claim: Claimed
    state: State = State.IN_PROGRESS
    surely_until: float = 0
    """Until when nobody else may have the key."""
    perhaps_until: float = 0
    """From when on somebody else must get it."""

    def promise(self, now_seconds: float) -> None:
        """Start a lease."""
        self.surely_until = now_seconds + LEASE_SECONDS
        late_seconds = LEASE_MARGIN_MS / 1000 + _DATE_SECONDS + max(CLOCKS_SECONDS)
        self.perhaps_until = max(self.perhaps_until, self.surely_until + late_seconds)

    def settle(self, state: State, now_seconds: float) -> None:
        """End the claim; what is done stays known for the retention."""
        self.state = state
        self.surely_until = now_seconds + RETENTION_SECONDS - _DATE_SECONDS
        self.perhaps_until = now_seconds + RETENTION_SECONDS + 2 * _DATE_SECONDS


@dataclass
class Model:
    """The dict that the library is held against."""

    standing: dict[str, Held] = field(default_factory=dict)
    claims: Counter[str] = field(default_factory=Counter)

    def allowed(self, key: str, now_seconds: float) -> set[str]:
        """Return what a claim may return."""
        held = self.standing.get(key)
        if held is None or held.state is State.RELEASED or now_seconds >= held.perhaps_until:
            return {"claimed"}
        taken = "done" if held.state is State.DONE else "in progress"
        return {taken} if now_seconds < held.surely_until else {taken, "claimed"}

    def owns(self, held: Held) -> bool:
        """Tell whether a claim may still change the record."""
        return self.standing[held.key] is held and held.state is State.IN_PROGRESS
