"""What commands print: data to stdout, for people or as JSON; words about it to stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cxone_idem.errors import legible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def on_terminal() -> bool:
    """Tell whether people look at stdout, rather than a program or a file."""
    return sys.stdout.isatty()


def print_json(data: Any) -> None:
    """Print `data` as JSON: indented on a terminal, else on one line."""
    indent = 2 if on_terminal() else None
    click.echo(json.dumps(data, indent=indent, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table on a terminal, else as lines of tab-separated values."""
    if not on_terminal():
        for row in (columns, *rows):
            click.echo("\t".join(legible(" ".join(cell.split())) for cell in row))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(
            *(Text(legible(cell)) for cell in row)
        )  # a plain string's [brackets] would be read as markup
    Console().print(table)


def narrate(message: str) -> None:
    """Say something about the data, where it cannot be taken for it."""
    click.echo(message, err=True)
