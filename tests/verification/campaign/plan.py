"""What one campaign does to one consumer."""

from __future__ import annotations

from dataclasses import dataclass

FUNCTION_SECONDS = 3.0
"""The Lambda function's time-out, Lambda's default: a worker that is still busy then is killed."""

GRACE_SECONDS = 0.5
"""How much later than its deadline a worker is killed.

Two processors for twenty processes may keep an answer that is ready from getting out.
"""

VISIBILITY_SECONDS = 3.0
"""How long a received message stays hidden. Lambda refuses less than the function's time-out."""

LEASE_SECONDS = 2.0
"""The lease of workers that have no deadline."""

FREEZE_SECONDS = (6.0, 7.0)
"""How long a service worker is stopped: longer than its lease and the 3 s the library adds."""

COLD_SKEW_SECONDS = 5.0
"""A clock that is faster than this is warmed up by a claim on a key of the worker's own.

The first claim of a process is stamped by its own clock, so if it dies there, the key stays held
for as long as the clock is fast: two minutes would be longer than the whole campaign.
"""

PATIENCE_SECONDS = 40.0
"""With no message settled for so long, whatever is left is stuck.

The longest wait that is nobody's fault: a lease of a whole invocation (3 s), its kill margin (1 s),
the library's margin (3 s), a cold fast clock (5 s), a spell of the table (4 s) and two rounds of
visibility (6 s) make 22 s; the rest is for a machine that is busy with other things.
"""


@dataclass(frozen=True)
class Plan:
    """One campaign. The same seed gives the same events, copies, clocks and kill schedule."""

    consumer: str
    seed: int
    events: int
    feed_seconds: float
    lambdas: int
    """Workers that run as on Lambda: with a context, and killed at its deadline."""
    services: int = 0
    """Workers without a deadline, whose leases lapse when they are stopped for a while."""
    forked: int = 0
    """Services that fork once their connection is open; both children serve."""
    skew_seconds: float = 120.0
    """Workers' clocks are off by up to this much, either way, and set by as much in mid-batch."""
    mean_seconds_between_kills: float = 6.0
    """For each worker."""
    ill_every_events: int = 20
    """Of so many events, two or three have an ill of their own."""

    @property
    def workers(self) -> int:
        """How many processes work at once."""
        return self.lambdas + self.services + self.forked
