"""One consumer's figures, counted from the workers' ledgers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from examples.demo.ledger import What

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from examples.demo.ledger import Entry

_CLOSE_SECONDS = 0.1


class Tally(NamedTuple):
    """What a consumer did with some events."""

    events: int
    sent_close: int
    """Events whose copies reached SQS within 100 ms, by SQS's own clock."""
    deliveries: int
    processed: int
    doubled: int
    lost: int
    requests: int


def count(keys: Collection[str], entries: Sequence[Entry]) -> Tally:
    """Count what the entries say about `keys`."""
    effects = Counter(entry.subject for entry in entries if entry.what is What.EFFECT)
    sent: dict[str, list[float]] = {key: [] for key in keys}
    for entry in entries:
        if entry.what is What.SENT:
            sent[entry.subject].append(entry.at_seconds)
    return Tally(
        events=len(keys),
        sent_close=sum(_close(times) for times in sent.values()),
        deliveries=sum(entry.what is What.DELIVERED for entry in entries),
        processed=effects.total(),
        doubled=sum(times > 1 for times in effects.values()),
        lost=sum(effects[key] == 0 for key in keys),
        requests=sum(entry.what is What.REQUEST for entry in entries),
    )


def _close(times: Sequence[float]) -> bool:
    # SQS stamps milliseconds, which floats do not keep exactly.
    return bool(times) and round(max(times) - min(times), 3) <= _CLOSE_SECONDS
