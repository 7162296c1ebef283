"""One consumer's figures, counted from the workers' ledgers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from examples.demo.ledger import What

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from examples.demo.ledger import Entry

_CLOSE_SECONDS = 0.1


class Tally(NamedTuple):
    """What a consumer did with some events."""

    events: int
    delivered_close: int
    """Events whose first two deliveries reached workers within 100 ms."""
    deliveries: int
    processed: int
    doubled: int
    lost: int
    requests: int


def count(keys: Collection[str], entries: Sequence[Entry]) -> Tally:
    """Count what the entries say about `keys`."""
    effects = Counter(entry.subject for entry in entries if entry.what is What.EFFECT)
    arrivals: dict[str, list[float]] = {key: [] for key in keys}
    for entry in entries:
        if entry.what is What.DELIVERED:
            arrivals[entry.subject].append(entry.at_seconds)
    return Tally(
        events=len(keys),
        delivered_close=sum(_close(times) for times in arrivals.values()),
        deliveries=sum(map(len, arrivals.values())),
        processed=effects.total(),
        doubled=sum(times > 1 for times in effects.values()),
        lost=sum(effects[key] == 0 for key in keys),
        requests=sum(entry.what is What.REQUEST for entry in entries),
    )


def _close(times: Sequence[float]) -> bool:
    return any(second - first <= _CLOSE_SECONDS for first, second in pairwise(times[:2]))
