"""`config`: the settings in force, and where each is from."""

from __future__ import annotations

import os
from dataclasses import fields

import click

from cxone_idem.cli.output import Exit, json_option, print_result, print_status
from cxone_idem.config import Config
from cxone_idem.errors import ConfigError
from cxone_idem.setting import variable

_FUNCTION_NAME = "AWS_LAMBDA_FUNCTION_NAME"


@click.command("config")
@json_option
def show_config(*, as_json: bool) -> Exit:
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
    settings = []
    for setting in fields(Config):
        name = variable(setting.name)
        text = os.environ.get(name, "").strip()
        value = getattr(config, setting.name) if config else text or setting.default
        by_lambda = setting.name == "namespace" and os.environ.get(_FUNCTION_NAME)
        source = "environment" if text else _FUNCTION_NAME if by_lambda else "default"
        settings.append({"variable": name, "value": value, "from": source})
    data = {"settings": settings, "mistakes": mistakes}
    rows = [[str(value) for value in setting.values()] for setting in settings]
    print_result(data, ("variable", "value", "from"), rows, as_json=as_json)
    for mistake in mistakes:
        print_status(f"wrong: {mistake}")
    return Exit.FOUND if mistakes else Exit.OK
