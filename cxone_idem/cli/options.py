"""Options that say where records are, for each command that looks at some."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from cxone_idem.cli.output import Exit, print_status
from cxone_idem.config import NO_NAMESPACE
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import UnreadError
from cxone_idem.doctor.function import read_function
from cxone_idem.setting import variable

# Of a function's settings, those that say where its records are and how an event finds its own.
_WHERE = ("table", "namespace", "partition_key", "ttl_attribute", "key")
_OPTIONS = (
    click.option("--region", metavar="NAME", help="The AWS region [AWS_REGION]."),
    click.option("--function", metavar="NAME", help="Take table, namespace and key from it."),
    click.option("--namespace", metavar="NAME", help="Whose keys [CXONE_IDEM_NAMESPACE]."),
    click.option("--table", metavar="NAME", help="The records [CXONE_IDEM_TABLE]."),
)


def on_records(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command run with the table, namespace and region that its options name."""

    @wraps(command)
    def run(*, region: str | None, function: str | None, **arguments: Any) -> Any:
        options = {variable(name): arguments.pop(name) for name in ("table", "namespace")}
        with _environment(dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region)):
            found = _settings_of(function) if function else {}
            with _environment(found), _environment(options):
                return command(**arguments)

    for option in _OPTIONS:
        run = option(run)
    return run


def _settings_of(function: str) -> dict[str, str]:
    """Return the variables of a deployed function that say where its records are."""
    try:
        config = read_function(Account(), function).config
    except UnreadError as unread:
        print_status(f"error: function {function}: {unread}")
        code = Exit.NOT_FOUND if unread.absent else Exit.FAILED
        raise click.exceptions.Exit(code) from unread
    values = {variable(name): str(getattr(config, name)) for name in _WHERE}
    namespace = variable("namespace")
    return {**values, namespace: values[namespace] or NO_NAMESPACE}


@contextmanager
def _environment(changes: dict[str, Any]) -> Iterator[None]:
    """Set those variables that have a value, as long as the block runs."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in changes.items() if value})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
