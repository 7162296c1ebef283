"""The plot: one panel a question, bars that begin at the base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.bench.contender import LEGEND
from tests.bench.report import Report, Row

# A panel with more bars is as wide as the picture.
_WIDE = 24
_COLORS = {"cxone_idem": "C0", "Powertools": "C1", "A": "C2", "B": "C3"}


def save(report: Report, path: Path) -> None:
    """Write the ratios of a report to a picture file."""
    mpl.use("Agg")  # no display is needed
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- reads the line above

    wide = [q for q, rows in report.rows.items() if len(rows) * len(rows[0].ratios) > _WIDE]
    narrow = [question for question in report.rows if question not in wide]
    lines = [[q, q] for q in wide] + [
        [*narrow[n : n + 2], "."][:2] for n in range(0, len(narrow), 2)
    ]
    figure, panels = plt.subplot_mosaic(lines, figsize=(17, 3.6 * len(lines)), layout="constrained")
    figure.suptitle(f"Ratios; a bar begins at 1, the base. Dash: the most that is meant.\n{LEGEND}")
    for question, rows in report.rows.items():
        _draw(panels[question], question, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _draw(axes: Any, question: str, rows: list[Row]) -> None:
    """Draw a question's cases side by side; a line at 1 is the base, a dash what is meant."""
    names = list(rows[0].ratios)
    width = 0.84 / len(names)
    for number, name in enumerate(names):
        places = [case + (number - (len(names) - 1) / 2) * width for case in range(len(rows))]
        ratios = [row.ratios[name] for row in rows]
        heights = [ratio - 1 for ratio in ratios]
        color = _COLORS.get(name, "C4")
        bars = axes.bar(places, heights, width, bottom=1, label=name, color=color)
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], fontsize=8, padding=1)
    for case, row in enumerate(rows):
        if row.target is not None:
            axes.hlines(row.target, case - 0.42, case - 0.42 + width, "black", lw=2.5)
    axes.axhline(1, color="black", lw=0.8)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter("{x:g}")
    drawn = [ratio for row in rows for ratio in (*row.ratios.values(), row.target or 1)]
    axes.set_ylim(min(0.8, min(drawn) * 0.8), max(1.25, max(drawn) * 1.25))
    axes.set_xticks(range(len(rows)), [row.case.replace(", ", "\n") for row in rows], fontsize=9)
    axes.set_title(question.removesuffix(" (ms)"), fontsize=11, loc="left")
    axes.legend(
        fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(names), frameon=False
    )
