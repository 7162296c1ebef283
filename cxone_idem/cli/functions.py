"""Options that name a function to import, such as `app.events:process`."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from typing import Any

import click

from cxone_idem.events.handler import handler_mistake

decode_option = click.option(
    "--decode",
    metavar="MODULE:FUNCTION",
    callback=lambda _, option, name: name and imported(name, option.opts[0]),
    help="Finds an event: cxone_idem.sns:decode.",
)


def imported(name: str, option: str) -> Any:
    """Return the function that an option names; raise `click.BadParameter` if it is none."""
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        message = f"{name!r} is no function: expected MODULE:FUNCTION"
        raise click.BadParameter(message, param_hint=option)
    # The console script, unlike `python -m`, does not look in the directory it is started from.
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(import_module(module), function)
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        message = f"{name!r} is not a function to import, such as app.events:process ({reason})"
        raise click.BadParameter(message, param_hint=option) from error
    of_decode = ("pass a plain function", "the record") if option == "--decode" else ()
    mistake = "it is a class" if inspect.isclass(found) else handler_mistake(found, *of_decode)
    if mistake:
        message = f"{name!r} is not a function of an event: {mistake}"
        raise click.BadParameter(message, param_hint=option)
    return found
