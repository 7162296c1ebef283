"""The command group. A command's module is imported when the command is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from io import UnsupportedOperation
from typing import Any

import click

from cxone_idem.cli.output import Exit, give_up_output, open_streams, print_status
from cxone_idem.errors import IdemError

COMMANDS = {
    "show": "records.show",
    "release": "records.release",
    "redo": "records.redo",
    "create-table": "table.create_table",
    "config": "settings.show_config",
    "doctor": "doctor.examine",
    "consume": "consume.consume",
    "dead-letters": "dead_letters.dead_letters",
    "duplicates": "duplicates.duplicates",
    "selftest": "selftest.selftest",
}
"""The module of this folder and the click command in it, for each command."""


_ABSENT = ("ResourceNotFoundException", "NonExistentQueue", "QueueDoesNotExist")
_WHERE = "AWS_REGION, CXONE_IDEM_TABLE, CXONE_IDEM_NAMESPACE, and names of attributes"
_READS = {
    "duplicates": "CXONE_IDEM_PARTITION_KEY, CXONE_IDEM_TTL_ATTRIBUTE",
    "doctor": "AWS_REGION, and all of CXONE_IDEM_* for parts that no function reads",
    "consume": "AWS_REGION, and all of CXONE_IDEM_*",
    "config": "all of CXONE_IDEM_*",
}
# Of click 8.2 and newer: the help, raised where nothing was asked for.
_NOTHING_ASKED = getattr(click.exceptions, "NoArgsIsHelpError", ())


def epilog(command: str = "") -> str:
    """Return what ends `--help`: the codes of `Exit`, or the variables that a command reads."""
    codes = "; ".join(f"{code.value} {code.name}: {code.meaning}" for code in Exit)
    if not command:
        return f"Exit codes: {codes}"
    reads = _READS.get(command, _WHERE)
    return f"Exit codes: cxone-idem -h. Environment: {reads} (cxone-idem config)"


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name].split(".")
        command: click.Command = getattr(import_module(f"cxone_idem.cli.{module}"), function)
        command.epilog = epilog(cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for each in args:
            if each != each.encode(errors="replace").decode():
                message = f"{each!r} is no text in UTF-8"
                raise click.UsageError(message, ctx)
        return super().parse_args(ctx, args)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command; it ends with one of `Exit`, and what is wrong is an error of one line."""
        ends_process = options.get("standalone_mode", True)
        options["standalone_mode"] = False
        open_streams()
        try:
            code = super().main(*args, **options) or Exit.OK
        except (IdemError, click.UsageError, click.Abort, OSError) as error:
            code = _tell(error)
        if ends_process:
            sys.exit(code)
        return code


def _tell(error: Exception) -> Exit:
    """Print an error as one line; return the exit code."""
    if isinstance(error, IdemError):
        absent = str(getattr(error, "code", None)).endswith(_ABSENT)
        print_status(f"error: {' '.join(str(error).split())}")
        return Exit.NOT_FOUND if absent else Exit.FAILED
    if isinstance(error, _NOTHING_ASKED):
        error.show()
        return Exit.USAGE
    if isinstance(error, click.UsageError):
        how = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        print_status(f"error: {' '.join(error.format_message().split())}{how}")
        return Exit.USAGE
    if isinstance(error.__cause__, KeyboardInterrupt):
        print_status("interrupted")
        return Exit.FAILED
    if isinstance(error, click.Abort):  # the answer to a question was no, or nobody was there
        print_status("not done: the answer was no")
        return Exit.REFUSED
    why = "stdin is closed" if isinstance(error, UnsupportedOperation) else error
    print_status(f"error: input or output failed: {why}")
    give_up_output()
    return Exit.FAILED


@click.group(
    cls=_LazyGroup, epilog=epilog(), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="cxone-idem")
def cli() -> None:
    """Look at the claims of cxone_idem, and at the pipeline around them."""
