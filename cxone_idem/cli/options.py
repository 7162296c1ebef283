"""Options that say where records are, for each command that looks at some."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import wraps
from typing import Any

import click

from cxone_idem.cli.output import Exit, print_status
from cxone_idem.config import NO_NAMESPACE, Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import UnreadError
from cxone_idem.doctor.function import read_config
from cxone_idem.setting import variable


def name(value: str) -> str:
    """Return the name of something; blank, as an unset shell variable is, it is none."""
    if not value.strip():
        message = "it is blank, expected a name"
        raise click.BadParameter(message)
    return value


NAME = click.types.FuncParamType(name)
_REGION = click.option("--region", type=NAME, help="The AWS region [AWS_REGION].")
_RECORDS = (
    click.option("--function", type=NAME, help="Take all settings from this Lambda function."),
    click.option("--namespace", type=NAME, help="Whose keys [CXONE_IDEM_NAMESPACE]."),
    click.option("--table", type=NAME, help="The table of records [CXONE_IDEM_TABLE]."),
)


def in_region(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command run in the region that its option names."""

    @wraps(command)
    def run(*, region: str | None, **arguments: Any) -> Any:
        with _environment(dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region)):
            return command(**arguments)

    return _REGION(run)


def on_records(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command run with the table, namespace and region that its options name."""

    @wraps(command)
    def run(*, function: str | None, **arguments: Any) -> Any:
        options = {variable(one): arguments.pop(one) for one in ("table", "namespace")}
        found = _settings_of(function) if function else {}
        with _environment(found), _environment(options):
            return command(**arguments)

    wrapped = in_region(run)
    for option in _RECORDS:
        wrapped = option(wrapped)
    return wrapped


def mention_no_namespace(config: Config) -> None:
    """Say that keys are looked for as they are, unless somebody has said that they shall be."""
    if not (config.namespace or os.environ.get(variable("namespace"), "").strip()):
        hint = "no namespace is set, and a Lambda function's keys have its name before them"
        print_status(f"{hint}: set {variable('namespace')} to it, or to {NO_NAMESPACE!r}")


def _settings_of(function: str) -> dict[str, str]:
    """Return the variables of a deployed function's settings; an empty one is the default."""
    try:
        config = read_config(Account(), function)
    except UnreadError as unread:
        why = f"function {function!r}: {unread}"
        if unread.absent:
            why = f"there is no function {function!r} in this account and region"
        print_status(f"error: {why}")
        code = Exit.NOT_FOUND if unread.absent else Exit.FAILED
        raise click.exceptions.Exit(code) from unread
    values = {variable(one.name): str(getattr(config, one.name)) for one in fields(Config)}
    namespace = variable("namespace")
    return {**values, namespace: values[namespace] or NO_NAMESPACE}


@contextmanager
def _environment(changes: dict[str, Any]) -> Iterator[None]:
    """Set those variables that are given, as long as the block runs."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in changes.items() if value is not None})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
