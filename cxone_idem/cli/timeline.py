"""Duplicates over time: counted in periods, and drawn as bars."""

from __future__ import annotations

import io
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.text import Text

from cxone_idem.cause import Cause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.cli.evidence import Duplicate

# One screen of rows: 50 periods at most, unless even days are more.
_ROWS_MAX = 50
_PERIODS_SECONDS = (60, 600, 3600, 6 * 3600, 86_400)
_BAR_CELLS = 50
_COLOURS = {
    Cause.SQS_REDELIVERED: "cyan",
    Cause.SQS_DELIVERED_TWICE: "bright_blue",
    Cause.EVENTBRIDGE_DELIVERED_TWICE: "magenta",
    Cause.DEAD_LETTER_REDRIVE: "yellow",
    Cause.CXONE_EMITTED_AGAIN: "red",
    Cause.ARCHIVE_REPLAY: "green",
    Cause.OWN_RETRY: "bright_cyan",
    Cause.NOT_A_DUPLICATE: "bright_red",
    Cause.UNKNOWN: "bright_black",
}


class Period(NamedTuple):
    """How many duplicates of each cause came in a span of time."""

    at: str
    """When it begins, UTC; empty for duplicates whose time is not known."""
    counts: Counter[Cause]


class Timeline:
    """Duplicates in periods from the first to the last, empty ones too."""

    def __init__(self, duplicates: Sequence[Duplicate]) -> None:
        times = [one.at_ms // 1000 for one in duplicates if one.at_ms is not None]
        self.period_seconds = _period_seconds(times)
        counts: dict[int | None, Counter[Cause]] = {}
        if times:
            step = self.period_seconds
            counts = {
                start: Counter() for start in range(min(times) // step * step, max(times) + 1, step)
            }
        for one in duplicates:
            start = None if one.at_ms is None else one.at_ms // 1000
            start = None if start is None else start // self.period_seconds * self.period_seconds
            counts.setdefault(start, Counter())[one.cause] += 1
        self.periods = [Period(_moment(start), counted) for start, counted in counts.items()]
        self.totals: Counter[Cause] = Counter(one.cause for one in duplicates)
        self.causes = [cause for cause, _ in self.totals.most_common()]

    def rows(self) -> list[list[str]]:
        """Return a row a period: when it begins, each cause's count, and all."""
        return [
            [period.at, *(str(period.counts[cause]) for cause in self.causes), str(_sum(period))]
            for period in self.periods
        ]

    def drawing(self) -> Text:
        """Return the bars, one a period, and which colour is which cause."""
        most = max((_sum(period) for period in self.periods), default=1)
        drawing = Text()
        for cause in self.causes:
            drawing.append("█ ", _COLOURS[cause]).append(f"{cause.value}  ")
        for period in self.periods:
            drawing.append(f"\n{period.at:16}  ")
            ends = 0
            for cause in self.causes:
                began = round(ends * _BAR_CELLS / most)
                ends += period.counts[cause]
                drawing.append("█" * (round(ends * _BAR_CELLS / most) - began), _COLOURS[cause])
            drawing.append(f" {ends}" if ends else "")
        return drawing


def save_drawing(drawing: Text, path: str) -> None:
    """Write a drawing as an SVG file."""
    console = Console(record=True, file=io.StringIO(), width=_BAR_CELLS + 40, force_terminal=True)
    console.print(drawing)
    console.save_svg(path, title="duplicates")


def _period_seconds(times: Sequence[int]) -> int:
    if not times:
        return _PERIODS_SECONDS[0]
    fits = (step for step in _PERIODS_SECONDS if (max(times) - min(times)) / step < _ROWS_MAX)
    return next(fits, _PERIODS_SECONDS[-1])


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M}"


def _sum(period: Period) -> int:
    return sum(period.counts.values())


def as_json(timeline: Timeline) -> list[dict[str, Any]]:
    """Return the periods for programs; a cause that did not occur in one is left out."""
    return [
        {"at": period.at, **{cause.value: count for cause, count in period.counts.items()}}
        for period in timeline.periods
    ]
