"""The plot: one small bar chart for each thing compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.report import Report

_COLUMNS = 3


def save(report: Report, path: Path) -> None:
    """Write the charts of a report to a picture file."""
    mpl.use("Agg")  # no display is needed
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- reads the line above

    lines = -(-len(report.charts) // _COLUMNS)
    figure, grid = plt.subplots(lines, _COLUMNS, figsize=(5 * _COLUMNS, 2.6 * lines), squeeze=False)
    for axes in grid.flat[len(report.charts) :]:
        axes.axis("off")
    for axes, (title, bars) in zip(grid.flat, report.charts.items(), strict=False):
        drawn = axes.bar(list(bars), list(bars.values()), color=["C0", "C1", "C2", "C3"])
        axes.bar_label(drawn, fmt="%.3g")
        axes.set_title(title, fontsize=10)
        axes.margins(y=0.18)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
