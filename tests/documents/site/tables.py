"""Headings and tables as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def heading(text: str, underline: str) -> str:
    """Return a heading in reStructuredText."""
    return f"{text}\n{underline * len(text)}\n"


def code(value: object) -> str:
    """Return `value` as code for a cell; nothing for an empty text."""
    return f"`{value}`" if value != "" else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )
