"""One text for each JSON value: equal values have the same text, and different ones never do."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

# From here on a float may stand for a neighbour: 9007199254740993.0 becomes 9007199254740992.0.
_WHOLE_FLOAT_MAX = 2.0**53
# As many as Python itself turns into text, so that `1e999999999` does not fill the memory.
_DIGITS_MAX = 4300


class NotExactError(ValueError):
    """A value has no text of its own; the message says why, and never the value."""


def exact_number(text: str) -> float | Decimal:
    """Return the number that `text` spells: a float if that loses nothing, else a `Decimal`.

    JMESPath's own functions refuse a `Decimal`, so none of them can take it for its neighbour.
    """
    number = float(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits
        return math.nan
    loses_nothing = not may_be_rounded(number) and Decimal(repr(number)) == exact
    return number if loses_nothing else exact


def may_be_rounded(number: float | Decimal) -> bool:
    """Return whether a number is a float so large that its neighbours become the same float."""
    return isinstance(number, float) and _WHOLE_FLOAT_MAX <= abs(number) < math.inf


def number_text(number: float | Decimal) -> str:
    """Return the decimal digits of a number: `1` for `1`, `1.0` and `1e0`."""
    if isinstance(number, float):
        number = Decimal(float.__repr__(number))
    number = Decimal(number)
    if not number.is_finite():
        message = "a number that is not finite"
        raise NotExactError(message)
    if not number:
        return "0"
    if max(number.adjusted(), -int(number.as_tuple().exponent)) >= _DIGITS_MAX:
        message = "a number of too many digits"
        raise NotExactError(message)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def canonical(value: Any, *, ascii_only: bool = False) -> str:
    """Return the JSON of a value: names sorted, no spaces, numbers by `number_text`."""
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return json.dumps(value, ensure_ascii=ascii_only)
    if isinstance(value, (int, float, Decimal)):
        return number_text(value)
    text_of = partial(canonical, ascii_only=ascii_only)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(text_of, value))}]"
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        members = (f"{text_of(name)}:{text_of(value[name])}" for name in sorted(value))
        return f"{{{','.join(members)}}}"
    message = f"a {type(value).__name__} that is not JSON"
    raise NotExactError(message)


def reads_as_json(text: str) -> bool:
    """Return whether a text could be taken for the JSON of a list, an object or a text."""
    try:
        return text.lstrip().startswith(("[", "{", '"')) and json.loads(text) is not None
    except RecursionError:
        return True
    except ValueError:
        return False
