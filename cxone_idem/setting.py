"""One setting: its variable, how its text is read, and the checks of what it may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

PREFIX = "CXONE_IDEM_"

Check = Callable[[Any], str]
"""Returns what is wrong with a value, as in "is not True or False"; empty if nothing is."""

_TEXT_MAX = 255
_SWITCH = {"true": True, "1": True, "false": False, "0": False}


def setting(default: Any, meaning: str, check: Check) -> Any:
    """Return a dataclass field with its meaning and its check."""
    return field(default=default, metadata={"meaning": meaning, "check": check})


def variable(setting: str) -> str:
    """Return the environment variable of a setting: `CXONE_IDEM_TABLE` for `table`."""
    return PREFIX + setting.upper()


def parse(text: str, default: Any) -> Any:
    """Return the value that `text` spells; raise `ValueError` with what was expected."""
    if isinstance(default, bool):
        if text.lower() not in _SWITCH:
            expected = f"one of {', '.join(_SWITCH)}"
            raise ValueError(expected)
        return _SWITCH[text.lower()]
    if isinstance(default, (int, float)):
        try:
            return int(text) if text.isdecimal() else float(text)
        except ValueError:
            expected = "a number, such as 300"
            raise ValueError(expected) from None
    return text


def number(least: float, most: float, unit: str = "seconds") -> Check:
    """Return the check of a number; it must be whole unless its unit is seconds."""

    def check(value: Any) -> str:
        is_right = (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and least <= value <= most
            and (unit == "seconds" or value == int(value))
        )
        return "" if is_right else f"is not a number of {unit} from {least:,} to {most:,}"

    return check


def check_name(value: Any) -> str:
    """Check the name of a table or an attribute."""
    is_right = _is_text(value) and value
    return "" if is_right else "is not a name of 1 to 255 printable characters"


def check_namespace(value: Any) -> str:
    """Check the namespace of keys, which `#` divides from the key."""
    is_right = _is_text(value) and "#" not in value
    return "" if is_right else "is not a text of up to 255 printable characters without '#'"


def check_switch(value: Any) -> str:
    """Check a value that is on or off."""
    return "" if isinstance(value, bool) else "is not True or False"


def check_metrics(value: Any) -> str:
    """Check the namespace of metrics as CloudWatch does; empty is none."""
    is_right = (
        _is_text(value)
        and value.isascii()
        and not value.startswith((":", "AWS/"))
        # A switch is what somebody sets who takes the setting for one.
        and value.lower() not in _SWITCH
    )
    if is_right or not value:
        return ""
    return (
        "is not a CloudWatch namespace: up to 255 printable ASCII characters, not beginning with"
        " ':' or 'AWS/', such as cxone_idem"
    )


def _is_text(value: Any) -> bool:
    # Bytes that are no UTF-8 become surrogates in a variable, which cannot be printed.
    return isinstance(value, str) and value.isprintable() and len(value) <= _TEXT_MAX
