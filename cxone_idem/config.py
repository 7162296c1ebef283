"""Settings, and the environment variables they come from."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from cxone_idem.errors import ConfigError, require
from cxone_idem.events.expression import expression_mistake
from cxone_idem.events.fingerprint import DEFAULT_FINGERPRINT, NO_FINGERPRINT
from cxone_idem.events.key import DEFAULT_KEY
from cxone_idem.setting import (
    PREFIX,
    check_metrics,
    check_name,
    check_namespace,
    check_switch,
    number,
    parse,
    setting,
    variable,
)
from cxone_idem.stores.dynamodb_item import RESERVED_ATTRIBUTES

NO_NAMESPACE = "none"
"""The value of `CXONE_IDEM_NAMESPACE` with which keys are stored as they are."""

logger = logging.getLogger("cxone_idem")

_DAY_SECONDS = 86_400
# `NAMSPACE` and `NAMESPACE` are 0.94 alike, `LINGER_SECONDS` and `LEASE_SECONDS` 0.74.
_NEAR = 0.8
# More threads than this share one processor's time and one connection pool to no one's gain.
_WORKERS_MAX = 100
# SQS's own limit on receives before a dead-letter queue (`maxReceiveCount`, SQS API Reference).
_ATTEMPTS_MAX = 1000


def _check_attribute(value: Any) -> str:
    is_taken = isinstance(value, str) and value in RESERVED_ATTRIBUTES
    return "is an attribute of the record itself" if is_taken else check_name(value)


def _check_key(value: Any) -> str:
    return expression_mistake(value, is_key=True)


def _check_fingerprint(value: Any) -> str:
    return "" if value in {"", NO_FINGERPRINT} else expression_mistake(value)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a deduplicator. Raises `ConfigError` listing every mistake at once."""

    table: str = setting("cxone-idem", "DynamoDB table that holds the records", check_name)
    namespace: str = setting(
        "",
        "whose keys these are, so that two consumers can share a table (default: the Lambda"
        " function's name; `none` keeps keys as they are)",
        check_namespace,
    )
    key: str = setting(
        DEFAULT_KEY,
        "JMESPath over the event that finds its key; `sqs` in it is the SQS record (in the default,"
        " `id` counts only in an EventBridge event)",
        _check_key,
    )
    fingerprint: str = setting(
        DEFAULT_FINGERPRINT,
        "JMESPath over the event that finds what all events of one key have in common; an event"
        " that differs fails (`none` compares nothing)",
        _check_fingerprint,
    )
    # 300 s: the longest work most consumers do per event; Lambda uses its real deadline instead.
    lease_seconds: float = setting(
        300,
        "how long a claim lasts outside Lambda (on Lambda: the invocation's remaining time)",
        number(1, 7 * _DAY_SECONDS),
    )
    # 14 days: the longest a message can wait in an SQS queue and still be delivered.
    retention_seconds: float = setting(
        14 * _DAY_SECONDS,
        "how long a completed key stays known",
        number(60, 3650 * _DAY_SECONDS),
    )
    partition_key: str = setting(
        "id", "the table's partition key attribute (text)", _check_attribute
    )
    ttl_attribute: str = setting(
        "expires_at", "the table's TTL attribute (epoch seconds)", _check_attribute
    )
    # 1 s: room for a claim and a completion with a lost answer each to be noticed and retried.
    min_remaining_seconds: float = setting(
        1, "with less of the invocation left, no further message is started", number(0, 900)
    )
    # 1: a handler is taken for thread-safe only where somebody says so.
    max_workers: int = setting(
        1,
        "how many threads run the handler of a batch, which must be thread-safe if more than one",
        number(1, _WORKERS_MAX, "threads"),
    )
    # 900 s: no Lambda invocation lasts longer.
    wait_seconds: float = setting(
        0,
        "how long `claim()` and `@once` wait for a key in progress elsewhere; each try is a write,"
        " and batches never wait",
        number(0, 900),
    )
    # 60 s: duplicates come within seconds. After that what is done is asked for again, so that a
    # process does not drop for ever what somebody made free to run again.
    remember_seconds: float = setting(
        60,
        "how long this process remembers a key as done, and drops its duplicates without a request"
        " (`0`: never)",
        number(0, _DAY_SECONDS),
    )
    max_attempts: int = setting(
        0,
        "how often the work on a key is begun at most; after that its message fails and does not"
        " run (`0`: no limit)",
        number(0, _ATTEMPTS_MAX, "attempts"),
    )
    align_visibility: bool = setting(
        False,  # noqa: FBT003
        "`true`: a failed message comes back when another try is worth it, not after the queue's"
        " visibility timeout",
        check_switch,
    )
    metrics: str = setting(
        "",
        "CloudWatch namespace, such as `cxone_idem`: each batch then writes one line of metrics to"
        " stdout",
        check_metrics,
    )
    # 1 ms: a fifth or less of a round trip, so that it hardly lengthens the time between a side
    # effect and its record.
    linger_ms: float = setting(
        1,
        "how long a completion waits for others of its batch, so that one request takes them all",
        number(0, 1000, "milliseconds"),
    )
    warm_up: bool = setting(
        True,  # noqa: FBT003
        "`true`: a request that writes nothing opens the connection in Lambda's init phase",
        check_switch,
    )
    disabled: bool = setting(False, "`true`: every event runs, duplicates too", check_switch)  # noqa: FBT003

    def __post_init__(self) -> None:
        found = [(one.name, one.metadata["check"](getattr(self, one.name))) for one in fields(self)]
        if self.partition_key == self.ttl_attribute:
            found.append(("ttl_attribute", "is the partition key as well"))
        mistakes = [
            f"{variable(name)}={getattr(self, name)!r} {mistake}"
            for name, mistake in found
            if mistake
        ]
        if mistakes:
            raise ConfigError(tuple(mistakes))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the `CXONE_IDEM_*` variables; an empty one counts as unset."""
        environ = os.environ if environ is None else environ
        wanted = "environ must be a mapping of texts, such as os.environ"
        fix = "for a Config of your own use Deduplicator(DynamoDBStore(config.table), config)"
        require(isinstance(environ, Mapping), wanted, environ, fix)
        values: dict[str, Any] = {}
        mistakes: list[str] = []
        for one in fields(cls):
            text = environ.get(variable(one.name), "").strip()
            if not text:
                continue
            try:
                values[one.name] = parse(text, one.default)
            except ValueError as error:
                mistakes.append(f"{variable(one.name)}={text!r} is not {error}")
        mistakes += _misspelled_variables(environ)
        if "namespace" not in values:
            values["namespace"] = environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        elif values["namespace"] == NO_NAMESPACE:
            values["namespace"] = ""
        try:
            config = cls(**values)
        except ConfigError as error:
            raise ConfigError((*mistakes, *error.mistakes)) from None
        if mistakes:
            raise ConfigError(tuple(mistakes))
        return config


def checked_workers(max_workers: object) -> int:
    """Return a number of threads that was passed in code; raise `ConfigError` if it is none."""
    return Config(max_workers=max_workers).max_workers  # type: ignore[arg-type]


def _misspelled_variables(environ: Mapping[str, str]) -> list[str]:
    """Return what is surely a typo; log what may be a setting of a newer version.

    So a rollback to this version stops no function, and a typo leaves no default in place.
    """
    known = [variable(one.name) for one in fields(Config)]
    mistakes = []
    for name in sorted(one for one in environ if one.startswith(PREFIX) and one not in known):
        meant = [one for one in known if _is_near(name, one)]
        if meant:
            mistakes.append(f"{name} is not a setting (did you mean {' or '.join(meant)}?)")
        else:
            logger.warning(
                "%s is unknown to this version and is ignored; `cxone-idem config` lists the"
                " settings",
                name,
            )
    return mistakes


def _is_near(name: str, known: str) -> bool:
    """Return whether a name is another one with a typo, without its unit, or with one too many."""
    from difflib import SequenceMatcher  # noqa: PLC0415 -- few have an unknown variable

    if name.startswith(f"{known}_") or known.startswith(f"{name}_"):
        return True
    parts = name.removeprefix(PREFIX), known.removeprefix(PREFIX)
    return SequenceMatcher(None, *parts).ratio() >= _NEAR
