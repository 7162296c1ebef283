"""The way to a broken invariant, so that a reader can follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.protocol.store import PutResult
from tests.verification.model.process import KEYS, Event, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.record import Record
    from tests.verification.model.moves import Move
    from tests.verification.model.state import State


def story_of(first: State, way: Sequence[Move], broken: str) -> str:
    """Return the story of a way through a world, one move a line."""
    lines = [f"\n  clocks ahead of the store's: {[one.clock_ms for one in first.workers]} ms"]
    for number, move in enumerate(way, start=1):
        at_seconds = (move.after.now_ms - first.now_ms) / 1000
        who = "ABC"[move.worker] if move.worker >= 0 else "-"
        parts = [move.what, *map(_said, move.details)]
        lines.append(f"  {number:2} {at_seconds:6.1f} s  {who} {'; '.join(parts)}")
    if broken.startswith("(d)") and not way[-1].broken:
        lines.append("     then all workers die; a delivery comes a lease later, or past retention")
    return "\n".join([*lines, f"  => broken: {broken}"])


def _said(detail: object) -> str:
    if isinstance(detail, Event):
        return f"{detail.kind} ({KEYS[detail.key]})"
    if isinstance(detail, Request):
        condition = f"over {detail.expected_version}" if detail.expected_version else "if no item"
        return f"{detail.verb} {_brief(detail.record)}, {condition}"
    if isinstance(detail, PutResult):
        return "done" if detail.written else f"refused by {_brief(detail.existing)}"
    return str(detail)


def _brief(record: Record | None) -> str:
    if record is None:
        return "nothing"
    key = KEYS[Request("read", record).key]
    return f"{key} {record.state.value} of claim {record.generation} [{record.version}]"
