"""The report: for each question its cases, and in each what every contender takes over a base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.bench.timing import Samples


class Row(NamedTuple):
    """One case: ratios over `base`, absolute values, and the most our ratio is meant to be."""

    case: str
    base: str
    ratios: dict[str, float]
    values: dict[str, float]
    target: float | None

    def line(self) -> str:
        text = f"  {self.case:<31}"
        for name, value in self.values.items():
            ratio = f"{self.ratios[name]:.2f}x " if name in self.ratios else ""
            text += f"{f'{name} {ratio}({value:.3g})':<28}"
        if self.target is not None:
            met = next(iter(self.ratios.values())) <= self.target
            text += f"<= {self.target:g} {'met' if met else 'MISSED'}"
        return text.rstrip()


@dataclass
class Report:
    """Rows by question, as they were measured, and the questions that have no answer here."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def compare(  # noqa: PLR0913, PLR0917 -- a cell has that many coordinates
        self,
        question: str,
        case: str,
        samples: Mapping[str, Samples],
        measure: str,
        base: str,
        target: float | None = None,
        per: float = 1,
    ) -> None:
        """Add a row, and print it at once: a long run shows where it is.

        The first of `samples` is the one that has the target.
        """
        others = {name: taken for name, taken in samples.items() if name != base}
        ratios = {name: taken.ratio(measure, samples[base]) for name, taken in others.items()}
        values = {name: taken.median(measure) / per for name, taken in samples.items()}
        row = Row(case, base, ratios, values, target)
        if question not in self.rows:
            print(f"\n{question}")
        self.rows.setdefault(question, []).append(row)
        print(row.line(), flush=True)

    def skip(self, question: str, why: str) -> None:
        """Name a question that cannot be answered here."""
        self.skipped[question] = why
        print(f"\n{question}\n  skipped: {why}", flush=True)
