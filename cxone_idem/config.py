"""Settings, and the environment variables they come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from cxone_idem.errors import ConfigError
from cxone_idem.events.expression import expression_mistake
from cxone_idem.events.fingerprint import DEFAULT_FINGERPRINT, NO_FINGERPRINT
from cxone_idem.events.key import DEFAULT_KEY
from cxone_idem.setting import (
    NAMESPACE_MAX,
    PREFIX,
    is_metrics_namespace,
    is_text,
    is_within,
    parse,
    setting,
    variable,
)
from cxone_idem.stores.dynamodb_item import RESERVED_ATTRIBUTES

NO_NAMESPACE = "none"
"""The value of `CXONE_IDEM_NAMESPACE` with which keys are stored as they are."""

_DAY_SECONDS = 86_400
_ATTRIBUTE_NAME_MAX = 255
# More threads than this share one processor's time and one connection pool to no one's gain.
_WORKERS_MAX = 100
# SQS's own limit on receives before a dead-letter queue (`maxReceiveCount`, SQS API Reference).
_ATTEMPTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Config:
    """How a deduplicator works. Raises `ConfigError` listing every mistake at once."""

    table: str = setting("cxone-idem", "DynamoDB table that holds the records")
    namespace: str = setting(
        "",
        "whose keys these are, so that two consumers can share a table; default is the Lambda"
        " function's name, and `none` keeps keys as they are",
    )
    key: str = setting(
        DEFAULT_KEY,
        "JMESPath over the event that finds its key; by default `id` counts only in an EventBridge"
        " event; `sqs` in it is the SQS record",
    )
    fingerprint: str = setting(
        DEFAULT_FINGERPRINT,
        "JMESPath over the event of what all events of one key agree in; if they do not, the"
        " message fails; `none` compares nothing",
    )
    # 300 s: the longest work most consumers do per event; Lambda uses its real deadline instead.
    lease_seconds: float = setting(
        300,
        "how long a claim lasts outside Lambda; on Lambda it is the invocation's remaining time",
        least=1,
        most=7 * _DAY_SECONDS,
    )
    # 14 days: the longest a message can wait in an SQS queue and still be delivered.
    retention_seconds: float = setting(
        14 * _DAY_SECONDS,
        "how long a completed key stays known",
        least=60,
        most=3650 * _DAY_SECONDS,
    )
    partition_key: str = setting("id", "the table's partition key attribute (text)")
    ttl_attribute: str = setting("expires_at", "the table's TTL attribute (epoch seconds)")
    # 1 s: room for a claim and a completion with a lost answer each to be noticed and retried.
    min_remaining_seconds: float = setting(
        1, "with less of the invocation left, no further message is started", least=0, most=900
    )
    # 1: a handler is taken for thread-safe only where somebody says so.
    max_workers: int = setting(
        1,
        "how many threads run the handler of a batch, which must be thread-safe if more than one",
        least=1,
        most=_WORKERS_MAX,
        unit="threads",
    )
    # 900 s: no Lambda invocation lasts longer.
    wait_seconds: float = setting(
        0,
        "how long `claim()` and `@once` wait for a key in progress elsewhere; each question is a"
        " write, and batches never wait",
        least=0,
        most=900,
    )
    # 60 s: duplicates come within seconds. After that what is done is asked for again, so that a
    # process does not drop for ever what somebody made free to run again.
    remember_seconds: float = setting(
        60,
        "how long this process remembers a key as done, and drops its duplicates without a request;"
        " `0` is off",
        least=0,
        most=_DAY_SECONDS,
    )
    max_attempts: int = setting(
        0,
        "how often the work on a key is begun at most; then its message fails unrun; `0` is no"
        " limit",
        least=0,
        most=_ATTEMPTS_MAX,
        unit="attempts",
    )
    align_visibility: bool = setting(
        False,  # noqa: FBT003
        "`true` has a message that failed come back when it is worth another try, not after the"
        " queue's visibility timeout",
    )
    metrics: str = setting(
        "",
        "CloudWatch namespace, such as `cxone_idem`, for one line of metrics a batch on stdout; by"
        " default none is written",
    )
    disabled: bool = setting(False, "`true` runs every event, undeduplicated")  # noqa: FBT003

    def __post_init__(self) -> None:
        mistakes = tuple(self._mistakes())
        if mistakes:
            raise ConfigError(mistakes)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the `CXONE_IDEM_*` variables; an empty one counts as unset."""
        environ = os.environ if environ is None else environ
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
        mistakes += _unknown_variables(environ)
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

    def _mistakes(self) -> list[str]:
        return [
            *self._wrong_numbers(),
            *self._wrong_names(),
            *self._wrong_choices(),
            *self._wrong_expressions(),
        ]

    def _wrong_numbers(self) -> list[str]:
        mistakes = []
        for one in fields(self):
            value, limits = getattr(self, one.name), one.metadata
            if limits["most"] and not is_within(value, limits):
                mistakes.append(
                    f"{variable(one.name)}={value!r} is not a number of {limits['unit']}"
                    f" from {limits['least']:,} to {limits['most']:,}"
                )
        return mistakes

    def _wrong_names(self) -> list[str]:
        mistakes = []
        for name in ("table", "partition_key", "ttl_attribute"):
            value = getattr(self, name)
            if not is_text(value) or not 0 < len(value) <= _ATTRIBUTE_NAME_MAX:
                mistakes.append(
                    f"{variable(name)}={value!r} is not a name of 1 to 255 printable characters"
                )
            elif name != "table" and value in RESERVED_ATTRIBUTES:
                mistakes.append(f"{variable(name)}={value!r} is an attribute of the record itself")
        if self.partition_key == self.ttl_attribute:
            mistakes.append(
                f"{variable('ttl_attribute')}={self.ttl_attribute!r} is the partition key as well"
            )
        return mistakes

    def _wrong_choices(self) -> list[str]:
        mistakes = []
        namespace: Any = self.namespace
        if not is_text(namespace) or "#" in namespace or len(namespace) > NAMESPACE_MAX:
            mistakes.append(
                f"{variable('namespace')}={self.namespace!r} is not a text of up to 255 printable"
                " characters without '#'"
            )
        for name in ("align_visibility", "disabled"):
            switch: Any = getattr(self, name)
            if not isinstance(switch, bool):
                mistakes.append(f"{variable(name)}={switch!r} is not True or False")
        metrics: Any = self.metrics
        if metrics and not is_metrics_namespace(metrics):
            mistakes.append(
                f"{variable('metrics')}={metrics!r} is not a CloudWatch namespace: up to"
                " 255 printable ASCII characters, not beginning with ':' or 'AWS/', such as"
                " cxone_idem"
            )
        return mistakes

    def _wrong_expressions(self) -> list[str]:
        mistakes = {"key": expression_mistake(self.key, is_key=True)}
        if self.fingerprint not in {"", NO_FINGERPRINT}:
            mistakes["fingerprint"] = expression_mistake(self.fingerprint)
        return [
            f"{variable(name)}={getattr(self, name)!r} {mistake}"
            for name, mistake in mistakes.items()
            if mistake
        ]


def checked_workers(max_workers: object) -> int:
    """Return a number of threads that was passed in code; raise `ConfigError` if it is none."""
    return Config(max_workers=max_workers).max_workers  # type: ignore[arg-type]


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = {variable(one.name) for one in fields(Config)}
    return [
        f"{name} is not a setting (there are: {', '.join(sorted(known))})"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
