"""The command line as a test calls it: in this process, its output in two halves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from click.testing import CliRunner

from cxone_idem.cli.app import cli
from cxone_idem.cli.output import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence


class Said(NamedTuple):
    """What a command printed, and the code it ended with."""

    exit: Exit
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What stdout says in JSON."""
        return json.loads(self.out)


def run(arguments: Sequence[str], typed: str = "", **environ: str) -> Said:
    """Run a command with `environ` set; an error that is no part of its contract is raised."""
    done = CliRunner().invoke(
        cli, list(arguments), input=typed, env=environ, catch_exceptions=False
    )
    return Said(Exit(done.exit_code), done.stdout, done.stderr)
