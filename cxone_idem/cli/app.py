"""The command group. A command's module is imported when the command is asked for."""

from __future__ import annotations

from dataclasses import Field, fields
from importlib import import_module
from typing import Any

import click

from cxone_idem.cli.output import Exit, print_status
from cxone_idem.config import Config
from cxone_idem.errors import IdemError
from cxone_idem.setting import variable

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


def epilog(command: str = "") -> str:
    """Return what ends `--help`: the codes of `Exit`, a command's variables, or all settings."""
    formatter = click.HelpFormatter()
    if command == "config":
        with formatter.section("Environment"):
            formatter.write_dl([(variable(each.name), _meaning(each)) for each in fields(Config)])
    elif command:
        formatter.write_text(f"Environment: {_READS.get(command, _WHERE)} (cxone-idem config -h).")
        formatter.write_text("Exit codes: cxone-idem -h.")
    else:
        with formatter.section("Exit codes"):
            formatter.write_dl([(f"{code.value} {code.name}", code.meaning) for code in Exit])
    # Click's mark of a paragraph that it must not wrap again.
    return "\n\n".join(f"\b\n{part}" for part in formatter.getvalue().strip("\n").split("\n\n"))


def _meaning(setting: Field[Any]) -> str:
    default = f" [{setting.default}]" if setting.default != "" else ""
    return f"{setting.metadata['meaning']}{default}"


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

    def invoke(self, ctx: click.Context) -> object:
        code = Exit.REFUSED
        try:
            code = super().invoke(ctx) or Exit.OK
        except IdemError as error:
            absent = str(getattr(error, "code", None)).endswith(_ABSENT)
            code = Exit.NOT_FOUND if absent else Exit.FAILED
            print_status("error: " + " ".join(str(error).split()))
        except click.UsageError as error:
            code = Exit.USAGE
            how = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            print_status(f"error: {' '.join(error.format_message().split())}{how}")
        except click.Abort:  # the answer to a question was no, or there was nobody to answer
            print_status("not done: the answer was no")
        ctx.exit(code)


@click.group(
    cls=_LazyGroup, epilog=epilog(), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="cxone-idem")
def cli() -> None:
    """Look at the claims of cxone_idem, and at the pipeline around them.

    Settings come from the CXONE_IDEM_* variables, region and credentials from the AWS SDK's own.
    """
