"""The report: rows with their targets, printed as one table."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One measured number; `target` is the most it may be, if it is bounded."""

    part: str
    what: str
    value: float
    unit: str = ""
    target: float | None = None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.value <= self.target else "MISSED"


@dataclass
class Report:
    """Rows in the order they were measured, and bars and lines for the plot."""

    rows: list[Row] = field(default_factory=list)
    charts: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(
        self, part: str, what: str, value: float, unit: str = "", target: float | None = None
    ) -> None:
        """Add a row, and print it at once: a long run shows where it is."""
        row = Row(part, what, value, unit, target)
        self.rows.append(row)
        print(_line(row), flush=True)

    def chart(self, title: str, bars: dict[str, float]) -> None:
        """Add a chart to the plot."""
        self.charts[title] = bars

    def print_header(self) -> None:
        print(f"{'part':<10} {'what':<58} {'value':>10} {'unit':<8} {'target':>9}")
        print("-" * 106)


def _line(row: Row) -> str:
    target = "" if row.target is None else f"<= {row.target:.4g}"
    value = f"{row.value:.0f}" if row.value >= 1000 else f"{row.value:.3g}"
    return f"{row.part:<10} {row.what:<58} {value:>10} {row.unit:<8} {target:>9} {row.verdict}"
