"""A key's record as it stands in the table that the environment names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem.cli.terminal import narrate
from cxone_idem.dynamodb_reader import RecordReader
from cxone_idem.errors import quoted
from cxone_idem.events import checked_key
from cxone_idem.record import partition_key
from cxone_idem.setting import variable

if TYPE_CHECKING:
    from cxone_idem.config import Config
    from cxone_idem.record import Record


class Sighting(NamedTuple):
    """A record, and what time it was by the store's clock when it was seen."""

    record: Record
    store_time_ms: int


def look_up(key: str, config: Config, client: Any = None) -> Sighting | None:
    """Return a key's record; say where it was looked for if there is none."""
    where = partition_key(config.namespace, checked_key(key))
    record, date_seconds = RecordReader(config, client).look(where)
    if record is None:
        narrate(f"no record at {quoted(where)} in table {config.table!r}{_hint(config)}")
        return None
    seconds = time.time() if date_seconds is None else date_seconds
    return Sighting(record, int(seconds * 1000))


def _hint(config: Config) -> str:
    if config.namespace:
        return ""
    return (
        f"; no namespace is set, and a Lambda function's keys stand under its name: set"
        f" {variable('namespace')} to it"
    )
