"""What stands under every command's help: the settings, and the exit codes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from click import HelpFormatter

from cxone_idem.cli.exit import Exit
from cxone_idem.config import Config
from cxone_idem.setting import variable

if TYPE_CHECKING:
    from collections.abc import Iterable

# Click's mark of a paragraph that it must not wrap again.
_AS_IT_IS = "\b\n"


def epilog() -> str:
    """Return the settings as `Config` has them and the exit codes as `Exit` has them."""
    settings = [
        (variable(setting.name), f"{setting.metadata['meaning']}{_default(setting.default)}")
        for setting in fields(Config)
    ]
    codes = [(f"{code.value} {code.name}", code.meaning) for code in Exit]
    return f"{_paragraph('Environment', settings)}\n{_paragraph('Exit codes', codes)}"


def _paragraph(heading: str, rows: Iterable[tuple[str, str]]) -> str:
    formatter = HelpFormatter()
    with formatter.section(heading):
        formatter.write_dl(list(rows))
    return _AS_IT_IS + formatter.getvalue().strip("\n") + "\n"


def _default(default: object) -> str:
    return f" [{default}]" if default != "" else ""
