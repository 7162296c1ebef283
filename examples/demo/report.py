"""What the demo says at its end, and whether that is what it set out to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from cxone_idem.clock import LEASE_MARGIN_MS
from examples.demo.race import IDEMPOTENT, NAIVE
from examples.demo.takeover import LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from examples.demo.takeover import Takeover
    from examples.demo.tally import Tally


def table(tallies: Mapping[str, Tally]) -> Table:
    """Return both consumers' figures, side by side."""
    side_by_side = Table(box=box.SIMPLE_HEAD)
    side_by_side.add_column()
    for name in tallies:
        side_by_side.add_column(name, justify="right")
    rows = {
        "events": "events",
        "both copies within 100 ms": "sent_close",
        "deliveries": "deliveries",
        "process_event ran": "processed",
        "events doubled": "doubled",
        "events lost": "lost",
        "DynamoDB requests": "requests",
    }
    for title, field in rows.items():
        figures = [getattr(tally, field) for tally in tallies.values()]
        bad = field in {"doubled", "lost"}
        side_by_side.add_row(
            title,
            *(
                f"[{'red' if figure else 'green'}]{figure}" if bad else str(figure)
                for figure in figures
            ),
        )
    return side_by_side


def story(takeover: Takeover) -> str:
    """Return the killed worker's story."""
    return (
        f"Worker {takeover.killed_pid} was killed (SIGKILL) at work on key\n"
        f"{takeover.key}. After {takeover.sent_back} deliveries that had to wait,\n"
        f"another worker took over: generation {takeover.generation_before} ->"
        f" {takeover.generation_after}, {takeover.waited_seconds:.1f} s after the kill\n"
        f"(lease {LEASE_SECONDS} s + {LEASE_MARGIN_MS / 1000:.0f} s margin)."
        f" Effects: {takeover.effects}, record: {takeover.state_after}."
    )


def mistakes(tallies: Mapping[str, Tally], takeover: Takeover) -> list[str]:
    """Return what the demo failed to show; nothing if all went as the library promises."""
    found = []
    if not tallies[NAIVE].doubled:
        found.append("the naive consumer doubled no event: no race was shown")
    if tallies[IDEMPOTENT].doubled:
        found.append(f"{IDEMPOTENT} doubled {tallies[IDEMPOTENT].doubled} events")
    if tallies[IDEMPOTENT].lost:
        found.append(f"{IDEMPOTENT} lost {tallies[IDEMPOTENT].lost} events")
    if takeover.generation_after <= takeover.generation_before:
        found.append("the killed worker's event was not taken over")
    if takeover.effects != 1:
        found.append(f"the killed worker's event had {takeover.effects} effects")
    return found
