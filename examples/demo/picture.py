"""The race as it ran, as an SVG: both consumers on one time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from examples.demo.workers import Entry

_WIDTH, _LEFT, _TOP, _LANE, _BAR = 1200, 125, 70, 140, 18
_GREY, _BLUE, _RED = "#888888", "#2b6cb0", "#d62728"
_BEGIN = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} HEIGHT" font-family="sans-serif">
<rect width="100%" height="100%" fill="white"/>
<text x="{_LEFT}" y="25">Every event is sent twice.
<tspan fill="{_GREY}">| deliveries, as a batch gets them</tspan>,
<tspan fill="{_BLUE}">■ a run of process_event</tspan>,
<tspan fill="{_RED}">■ a run of an event that had been started before</tspan></text>"""


class Run(NamedTuple):
    """One run of `process_event`, on the first row of the picture that is free."""

    key: str
    begin: float
    end: float
    row: int
    again: bool  # another run of its event had begun before


def runs(entries: Sequence[Entry]) -> list[Run]:
    """Return the runs in the order of their starts; one that never ended has no length."""
    ends = [entry for entry in entries if entry.what == "effect"]
    found: list[Run] = []
    free_at: list[float] = []
    for start in entries:
        if start.what == "started":
            end = next((one for one in ends if one.key == start.key), start)
            ends = [one for one in ends if one is not end]
            row = next((r for r, at in enumerate(free_at) if at <= start.at_seconds), len(free_at))
            free_at[row : row + 1] = [end.at_seconds]
            again = any(run.key == start.key for run in found)
            found.append(Run(start.key, start.at_seconds, end.at_seconds, row, again))
    return found


def save(ledgers: Mapping[str, Sequence[Entry]], path: Path) -> None:
    """Write the picture of what each consumer did, by its name."""
    times = [entry.at_seconds for entries in ledgers.values() for entry in entries]
    first, last, bottom = min(times), max(times), _TOP + _LANE * len(ledgers)
    scale = (_WIDTH - _LEFT - 30) / max(last - first, 1)
    parts = [_BEGIN.replace("HEIGHT", str(bottom + 40))]
    for number, (name, entries) in enumerate(ledgers.items()):
        top, ran = _TOP + number * _LANE, runs(entries)
        delivered = [entry.at_seconds for entry in entries if entry.what == "delivered"]
        doubles = sum(run.again for run in ran)
        said = f"{len(delivered)} deliveries, {len(ran)} runs, {doubles} of them doubles"
        colour = _RED if doubles else _BLUE
        parts.append(f'<text x="5" y="{top + 35}" font-weight="bold">{name}</text>')
        parts.append(f'<text x="{_LEFT}" y="{top - 8}" fill="{colour}">{said}</text>')
        marks = "".join(f"M{_LEFT + (at - first) * scale:.1f} {top}v16" for at in delivered)
        parts.append(f'<path d="{marks}" stroke="{_GREY}" stroke-width="0.7"/>')
        for run in ran:
            x, width = _LEFT + (run.begin - first) * scale, (run.end - run.begin) * scale
            y, colour = top + 24 + run.row * (_BAR + 2), _RED if run.again else _BLUE
            box = f'x="{x:.1f}" y="{y}" width="{max(width - 0.5, 1):.1f}" height="{_BAR}"'
            parts.append(f'<rect {box} fill="{colour}"/>')
    for second in range(int(last - first) + 1):
        x = _LEFT + second * scale
        parts.append(f'<path d="M{x:.1f} {bottom - 12}v8" stroke="black"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{second} s</text>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>", ""]), "utf-8")
