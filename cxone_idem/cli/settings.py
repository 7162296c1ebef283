"""`config`: the settings in force, and where each is from."""

from __future__ import annotations

import os
from dataclasses import fields

import click

from cxone_idem.cli.output import Exit, json_option, on_terminal, print_result, print_status
from cxone_idem.config import Config
from cxone_idem.errors import ConfigError
from cxone_idem.setting import variable
from cxone_idem.text import legible

_FUNCTION_NAME = "AWS_LAMBDA_FUNCTION_NAME"


@click.command("config")
@json_option
def show_config(*, as_json: bool) -> Exit:
    """Show every setting in force, its source and its meaning.

    All mistakes are listed at once; with any, no setting is in force, and what is shown is what the
    environment says.
    """
    config: Config | None = None
    mistakes: tuple[str, ...] = ()
    try:
        config = Config.from_environ()
    except ConfigError as error:
        mistakes = error.mistakes
    settings = []
    for setting in fields(Config):
        name = variable(setting.name)
        text = os.environ.get(name, "").strip()
        value = getattr(config, setting.name) if config else text or setting.default
        by_lambda = setting.name == "namespace" and os.environ.get(_FUNCTION_NAME)
        source = "environment" if text else _FUNCTION_NAME if by_lambda else "default"
        meaning = setting.metadata["meaning"]
        settings.append({"variable": name, "value": value, "from": source, "meaning": meaning})
    if on_terminal() and not as_json:
        for each in settings:
            click.echo(legible("{variable} = {value} ({from})".format(**each)))
            click.echo(click.wrap_text(each["meaning"], 78, "    ", "    "))
    else:
        rows = [[str(value) for value in each.values()] for each in settings]
        data = {"settings": settings, "mistakes": mistakes}
        print_result(data, ("variable", "value", "from", "meaning"), rows, as_json=as_json)
    for mistake in mistakes:
        print_status(f"wrong: {mistake}")
    return Exit.FOUND if mistakes else Exit.OK
