"""Keys as Powertools for AWS Lambda (Python, versions 2 and 3) wrote them: `<prefix>#<hash>`.

Copy this next to your consumer. With it cxone_idem finds what Powertools' idempotency utility
stored, in the same table; README says how, and when it cannot.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import gzip
import hashlib
import json
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jmespath
from jmespath.functions import Functions, signature

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_FIELD = "powertools_key"
"""Set `CXONE_IDEM_KEY` to this for `with_keys`."""


class _PowertoolsFunctions(Functions):
    """The functions that Powertools adds to JMESPath."""

    @signature({"types": ["string"]})
    def _func_powertools_json(self, text: str) -> Any:
        return json.loads(text)

    @signature({"types": ["string"]})
    def _func_powertools_base64(self, text: str) -> str:
        return base64.b64decode(text).decode()

    @signature({"types": ["string"]})
    def _func_powertools_base64_gzip(self, text: str) -> str:
        return gzip.decompress(base64.b64decode(text)).decode()


class PowertoolsKey:
    """The key of what a function decorated by Powertools was given; for `@once(key=...)`.

    `prefix` is what its items' ids have before the last `#`. The other arguments are those of
    Powertools' `IdempotencyConfig`.
    """

    def __init__(
        self,
        prefix: str,
        event_key_jmespath: str = "",
        hash_function: str = "md5",
        jmespath_options: dict[str, Any] | None = None,
    ) -> None:
        self._prefix = prefix
        self._find = jmespath.compile(event_key_jmespath or "@")
        self._hash = getattr(hashlib, hash_function)
        options = jmespath_options or {"custom_functions": _PowertoolsFunctions()}
        self._options = jmespath.Options(**options)

    def __call__(self, data: Any) -> str:
        """Return the key; it is empty, which cxone_idem refuses, if there is nothing to hash."""
        found = self._find.search(_plain(data), options=self._options)
        parts = [*found.values()] if isinstance(found, dict) else found
        if isinstance(parts, (list, tuple)):
            is_missing = all(part is None for part in parts)
        else:
            is_missing = not parts and not isinstance(parts, (int, float))
        if is_missing:
            return ""
        text = json.dumps(found, default=_encode, sort_keys=True)
        return f"{self._prefix}#{self._hash(text.encode()).hexdigest()}"


def with_keys(
    event: dict[str, Any],
    key: Callable[[Any], str],
    data: Callable[[dict[str, Any]], Any] = lambda record: json.loads(record["body"]),
) -> dict[str, Any]:
    """Return an SQS batch whose bodies carry their keys, for `process_batch`.

    `data` returns what Powertools' function was given, from a record: by default the event in it.
    """
    return {**event, "Records": [_with_key(one, key, data) for one in event["Records"]]}


def _with_key(record: dict[str, Any], key: Callable[[Any], str], data: Any) -> dict[str, Any]:
    """Return a record with its key; without one if that fails, so that only this message fails."""
    try:
        body = {**json.loads(record["body"]), KEY_FIELD: key(data(record))}
    except Exception:  # noqa: BLE001 -- a message may hold anything
        return record
    return {**record, "body": json.dumps(body)}


def _plain(data: Any) -> Any:
    """Return a dataclass, a pydantic model or an event class of Powertools as plain data."""
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return dataclasses.asdict(data)
    if callable(getattr(data, "model_dump", None)):
        return data.model_dump(mode="json")
    if callable(getattr(data, "dict", None)):
        return data.dict()
    return getattr(data, "raw_event", data)


def _encode(value: Any) -> Any:
    """Return a value inside the data that is not JSON, as Powertools' encoder does."""
    if isinstance(value, Decimal):
        return float("nan") if value.is_nan() else str(value)
    plain = _plain(value)
    if plain is not value:
        return plain
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (UUID, PurePath)):
        return str(value)
    message = f"{type(value).__name__} is no JSON"
    raise TypeError(message)
