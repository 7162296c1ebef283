"""Results of work, as the JSON text that a record keeps."""

from __future__ import annotations

import json
import logging
from enum import Enum
from typing import Any, Final, NoReturn

from cxone_idem.errors import ResultMissingError
from cxone_idem.text import kind_of, quoted

# An item holds 400 KB (Developer Guide, "Quotas and limits"), and a refused claim costs write units
# by the size of what is stored ("Working with items"): at 256 KB, as much as an event was long
# allowed to hold, a partition's 1,000 units a second still answer three duplicates of one key.
RESULT_MAX_BYTES = 256 * 1024

logger = logging.getLogger("cxone_idem")


class _Result(Enum):
    NONE_GIVEN = "no result"


NO_RESULT: Final = _Result.NONE_GIVEN
"""The default of `result`: nothing is stored. `None` is a valid result."""


def to_text(result: object, key: str) -> str | None:
    """Return a result as JSON text; if it cannot be kept, log why and return None.

    The work is done by now, so whatever is wrong with its result must not stop its record.
    """
    try:
        text = json.dumps(
            result, default=_refuse, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        size_bytes = len(text.encode())
    except Exception as error:  # noqa: BLE001 -- a caller's own types may raise anything here
        # The text of any other error may quote the result.
        why = error if isinstance(error, _NotJSONError) else type(error).__name__
        problem = f"which is not JSON ({why})"
        advice = "return dicts, lists, text, numbers, booleans and None only"
    else:
        if size_bytes <= RESULT_MAX_BYTES:
            return text
        problem = f"whose {size_bytes} bytes of JSON are more than {RESULT_MAX_BYTES}"
        advice = "store it elsewhere and return where"
    logger.error(
        "key %s is recorded as done without its result, %s: duplicates get ResultMissingError; %s",
        quoted(key),
        problem,
        advice,
    )
    return None


def from_text(text: str | None, key: str) -> Any:
    """Return the result in a record's text; raise `ResultMissingError` if it holds none."""
    if text is None:
        raise ResultMissingError(key)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # Not ours to guess: somebody else wrote it.
        raise ResultMissingError(key) from None


class _NotJSONError(Exception):
    """A result holds something that JSON has no words for."""


def _refuse(thing: object) -> NoReturn:
    message = f"it holds {kind_of(thing)}"
    raise _NotJSONError(message)
