"""A function: its settings are right, and its time-out is long enough for them."""

from __future__ import annotations

from functools import partial
from typing import Any

from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.alarm import LIBRARY_ALARM_CHECK, alarms_on_library
from cxone_idem.doctor.check import Facts, UnreadError, advice, fact, wrong
from cxone_idem.errors import ConfigError
from cxone_idem.stores.dynamodb import REQUEST_SECONDS

_OLD = ("python2.7", "python3.6", "python3.7", "python3.8", "python3.9")
_LOGGED = ("TRACE", "DEBUG", "INFO")
_ENDPOINTS = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")


def read_function(account: Account, name: str) -> Facts:
    """Read a function, in AWS's names, by its name or ARN, with a qualifier or without."""
    found = account.ask("lambda", "get_function_configuration", FunctionName=name)
    name = found["FunctionName"]
    ask = partial(account.ask, "lambda", "get_function_concurrency", FunctionName=name)
    logging = found.get("LoggingConfig", {})
    facts = _settings(name, found.get("Environment", {}))
    config = facts["config"]
    if isinstance(config, Config):
        facts["alarms"] = fact(lambda: alarms_on_library(account, config))
    return Facts(
        found,
        **{**facts, "checks": (*_FUNCTION_CHECKS, *facts["checks"])},
        subject=f"function {name}",
        runtime=str(found.get("Runtime", found.get("PackageType", "python"))),
        failed=found.get("StateReason") if found.get("State") == "Failed" else "none",
        reserved=fact(lambda: ask().get("ReservedConcurrentExecutions")),
        log_format=logging.get("LogFormat", "JSON"),
        log_level=logging.get("ApplicationLogLevel", "INFO"),
        log_group=logging.get("LogGroup", f"/aws/lambda/{name}"),
    )


def read_config(account: Account, name: str) -> Config:
    """Read a function's settings alone."""
    found = account.ask("lambda", "get_function_configuration", FunctionName=name)
    config = _settings(found["FunctionName"], found.get("Environment", {}))["config"]
    if isinstance(config, UnreadError):
        raise config
    checked: Config = config
    return checked


def _settings(name: str, environment: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as the function itself will read them, and what is wrong with them."""
    if "Error" in environment:
        code = environment["Error"].get("ErrorCode")
        unread = UnreadError(f"its environment cannot be decrypted ({code})")
        return {"checks": (), "mistakes": unread, "config": unread}
    variables = environment.get("Variables", {})
    endpoints = [f"{each} is {variables[each]}" for each in _ENDPOINTS if variables.get(each)]
    facts: dict[str, Any] = {
        "endpoint": ", ".join(endpoints) or "none",
        "checks": _ENVIRONMENT_CHECKS,
    }
    mistakes: tuple[str, ...] = ("none",)
    try:
        facts["config"] = Config.from_environ({**variables, "AWS_LAMBDA_FUNCTION_NAME": name})
        facts["checks"] += _CONFIG_CHECKS
    except ConfigError as error:
        mistakes = error.mistakes
        facts["config"] = UnreadError("the function's settings are wrong", "fix them first")
    settings = {"subject": f"function {name}", "checks": _MISTAKE_CHECKS}
    return {**facts, "mistakes": [Facts(settings, mistake=mistake) for mistake in mistakes]}


_MISTAKE_CHECKS = (
    wrong(
        "settings",
        lambda setting: setting.mistake != "none",
        "wrong CXONE_IDEM_* variables: {mistake}",
        "the function cannot start: every event fails",
        "correct the function's environment",
    ),
)
_FUNCTION_CHECKS = (
    wrong(
        "runtime",
        lambda function: not function.runtime.startswith(("python", "provided", "Image")),
        "{runtime}",
        "this library runs on Python alone",
        "name a function that runs Python, or set its runtime",
    ),
    wrong(
        "runtime",
        lambda function: function.runtime in _OLD,
        "{runtime}",
        "AWS has ended it, and the library needs Python 3.10",
        "set the newest Python runtime, and build the package for it",
    ),
    advice(
        "runtime",
        lambda function: function.runtime == "Image",
        "{runtime}",
        "AWS does not show which Python a container image has",
        "see that the Python of its base image is supported",
    ),
    wrong(
        "function-state",
        lambda function: function.State == "Failed",
        "the reason why it cannot run: {failed}",
        "Lambda does not invoke it",
        "see the reason; deploy it again",
    ),
    wrong(
        "reserved-concurrency",
        lambda function: function.reserved == 0,
        "invocations at a time that are reserved for it: {reserved}",
        "Lambda throttles every invocation: no event is processed, until all are dead letters",
        "remove the reserved concurrency, or set it to what the function needs",
    ),
    advice(
        "logs",
        lambda function: function.log_format == "Text" or function.log_level not in _LOGGED,
        "log format {log_format}, level {log_level}",
        "duplicates are logged at INFO, with fields that queries and `duplicates` need as JSON",
        "set the log format to JSON and the application log level to INFO",
    ),
)
_ENVIRONMENT_CHECKS = (
    advice(
        "endpoint",
        lambda function: function.endpoint != "none",
        "an endpoint that is not the Region's own: {endpoint}",
        "claims go there and not to the Region's own DynamoDB",
        "remove it, unless it is your VPC endpoint",
    ),
)
_CONFIG_CHECKS = (
    LIBRARY_ALARM_CHECK,
    wrong(
        "kill-switch",
        lambda function: function.config.disabled,
        "CXONE_IDEM_DISABLED is {config.disabled}",
        "every event runs, duplicates included",
        "remove CXONE_IDEM_DISABLED",
    ),
    advice(
        "namespace",
        lambda function: not function.config.namespace,
        "the namespace is {config.namespace!r}",
        "another consumer on this table takes this one's events for its own, done ones included",
        "keep the table to this function, or set CXONE_IDEM_NAMESPACE (keys known so far are then"
        " new)",
    ),
    wrong(
        "sdk-timeouts",
        lambda function: function.Timeout <= function.config.min_remaining_seconds,
        "a time-out of {Timeout} s, and CXONE_IDEM_MIN_REMAINING_SECONDS is"
        " {config.min_remaining_seconds:g}",
        "too little time is left from the start on, so that no message is ever started",
        "raise the function's time-out",
    ),
    advice(
        "sdk-timeouts",
        lambda function: function.Timeout <= REQUEST_SECONDS,
        f"a time-out of {{Timeout}} s; a request to DynamoDB may take {REQUEST_SECONDS} s",
        "while DynamoDB is out of reach a claim has no time for a second attempt",
        f"set the function's time-out above {REQUEST_SECONDS} s",
    ),
)
