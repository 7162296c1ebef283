"""Checks a function: its settings are right, and its time-out is long enough for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.config import NO_NAMESPACE, Config
from cxone_idem.doctor.facts import Check, Finding, Function, Unread
from cxone_idem.errors import ConfigError
from cxone_idem.setting import variable
from cxone_idem.stores.dynamodb import REQUEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ENDPOINTS = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")


def settings_of(function: Function) -> Config | Unread:
    """Return the settings as the function itself will read them."""
    if isinstance(function.environment, Unread):
        return function.environment
    try:
        return Config.from_environ(_environ(function, function.environment))
    except ConfigError:
        return Unread("the function's settings are wrong", "fix them first")


def check_function(function: Function) -> Iterator[Finding]:
    """Report what is wrong with a function's environment and time-out."""
    subject = f"function {function.name}"
    if isinstance(function.environment, Unread):
        yield Check("settings", subject).unknown(function.environment)
        return
    yield from _settings(function, function.environment, Check("settings", subject))
    yield _endpoint(function.environment, Check("endpoint", subject))
    config = settings_of(function)
    if isinstance(config, Config):
        yield _switch(config, Check("kill-switch", subject))
        yield _namespace(config, function, Check("namespace", subject))
        yield _time(config, function, Check("sdk-timeouts", subject))


def _settings(
    function: Function, environment: Mapping[str, str], check: Check
) -> Iterator[Finding]:
    try:
        Config.from_environ(_environ(function, environment))
    except ConfigError as error:
        for mistake in error.mistakes:
            yield check.wrong(
                mistake,
                "the function cannot start: every event fails",
                "correct the function's environment",
            )
    else:
        yield check.ok("its CXONE_IDEM_* variables are right")


def _endpoint(environment: Mapping[str, str], check: Check) -> Finding:
    for name in _ENDPOINTS:
        if environment.get(name):
            return check.advice(
                f"{name} is {environment[name]}",
                "claims go there and not to the Region's own DynamoDB",
                f"remove {name}, unless it is your VPC endpoint",
            )
    return check.ok("the Region's own")


def _switch(config: Config, check: Check) -> Finding:
    if not config.disabled:
        return check.ok("off")
    return check.wrong(
        f"{variable('disabled')} is set",
        "every event runs, duplicates included",
        f"remove {variable('disabled')}",
    )


def _namespace(config: Config, function: Function, check: Check) -> Finding:
    if config.namespace == function.name:
        return check.ok("the function's own name")
    if config.namespace:
        return check.ok(config.namespace)
    return check.advice(
        f"{variable('namespace')} is {NO_NAMESPACE}",
        "another consumer on this table takes this one's events for its own, done ones included",
        "keep the table to this function, or set a namespace (keys known so far are then new)",
    )


def _time(config: Config, function: Function, check: Check) -> Finding:
    seconds = function.timeout_seconds
    if seconds <= config.min_remaining_seconds:
        return check.wrong(
            f"a time-out of {seconds} s, and {variable('min_remaining_seconds')} is"
            f" {config.min_remaining_seconds:g}",
            "too little time is left from the start on, so that no message is ever started",
            "raise the function's time-out",
        )
    if seconds <= REQUEST_SECONDS:
        return check.advice(
            f"a time-out of {seconds} s; one request to DynamoDB may take {REQUEST_SECONDS} s",
            "while DynamoDB is out of reach a claim has no time for a second attempt",
            f"set the function's time-out above {REQUEST_SECONDS} s",
        )
    return check.ok(f"a time-out of {seconds} s")


def _environ(function: Function, environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, "AWS_LAMBDA_FUNCTION_NAME": function.name}
