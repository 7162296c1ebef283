"""The command group. Each command is a module of its own, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from cxone_idem.cli.epilog import epilog
from cxone_idem.cli.exit import Exit
from cxone_idem.cli.terminal import narrate
from cxone_idem.errors import IdemError

COMMANDS: dict[str, str] = {
    "show": "cxone_idem.cli.show",
    "release": "cxone_idem.cli.release",
    "redo": "cxone_idem.cli.redo",
    "create-table": "cxone_idem.cli.create_table",
    "config": "cxone_idem.cli.config",
    "doctor": "cxone_idem.cli.doctor",
    "consume": "cxone_idem.cli.consume",
    "dead-letters": "cxone_idem.cli.dead_letters",
    "duplicates": "cxone_idem.cli.duplicates",
}
"""The module of each command; the module's `command` is a click command."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        command.epilog = epilog()
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except IdemError as error:
            narrate(f"error: {error}")
            ctx.exit(Exit.FAILED)
        except click.Abort:  # the answer to a question was no, or there was nobody to answer
            narrate("not done: the answer was no")
            ctx.exit(Exit.REFUSED)


@click.group(cls=_Lazy, epilog=epilog(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cxone-idem")
def cli() -> None:
    """Look at the claims of cxone_idem, and at the pipeline around them.

    Settings come from the CXONE_IDEM_* variables, region and credentials from the AWS SDK's own.
    """
