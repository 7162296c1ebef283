"""`config`: the settings in force, and where each is from."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from cxone_idem.cli.output import Exit, json_option, print_json, print_status, print_table
from cxone_idem.config import Config
from cxone_idem.errors import ConfigError
from cxone_idem.setting import variable

if TYPE_CHECKING:
    from dataclasses import Field

_FUNCTION_NAME = "AWS_LAMBDA_FUNCTION_NAME"


@click.command("config")
@json_option
@click.pass_context
def show_config(ctx: click.Context, *, as_json: bool) -> None:
    """Show every setting that is in force, and where its value is from.

    All mistakes are listed at once; with any, no setting is in force, and what is shown is what the
    environment says.
    """
    config: Config | None = None
    mistakes: tuple[str, ...] = ()
    try:
        config = Config.from_environ()
    except ConfigError as error:
        mistakes = error.mistakes
    settings = [
        {
            "variable": variable(setting.name),
            "value": getattr(config, setting.name) if config else _text(setting) or setting.default,
            "from": _source(setting),
        }
        for setting in fields(Config)
    ]
    if as_json:
        print_json({"settings": settings, "mistakes": mistakes})
    else:
        rows = [[str(value) for value in setting.values()] for setting in settings]
        print_table(("variable", "value", "from"), rows)
    for mistake in mistakes:
        print_status(f"wrong: {mistake}")
    ctx.exit(Exit.FOUND if mistakes else Exit.OK)


def _text(setting: Field[Any]) -> str:
    """Return what the environment says of a setting, right or wrong; empty means unset."""
    return os.environ.get(variable(setting.name), "").strip()


def _source(setting: Field[Any]) -> str:
    if _text(setting):
        return "environment"
    if setting.name == "namespace" and os.environ.get(_FUNCTION_NAME):
        return _FUNCTION_NAME
    return "default"
