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


def _is_text(value: Any) -> bool:
    # Bytes that are no UTF-8 become surrogates in a variable, which cannot be printed.
    return isinstance(value, str) and value.isprintable() and len(value) <= _TEXT_MAX


def _is_metrics_namespace(value: Any) -> bool:
    if not _is_text(value) or not value.isascii():
        return False
    # A switch is what somebody sets who takes the setting for one.
    return not value.startswith((":", "AWS/")) and value.lower() not in _SWITCH


def _must_be(expected: str, is_right: Callable[[Any], object]) -> Check:
    return lambda value: "" if is_right(value) else f"is not {expected}"


def number(least: float, most: float, unit: str = "seconds") -> Check:
    """Return the check of a number; it must be whole unless its unit is one of time."""
    return _must_be(
        f"a number of {unit} from {least:,} to {most:,}",
        lambda value: (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and least <= value <= most
            and (unit.endswith("seconds") or value == int(value))
        ),
    )


check_name = _must_be(
    "a name of 1 to 255 printable characters", lambda value: _is_text(value) and value
)
check_namespace = _must_be(
    "a text of up to 255 printable characters without '#'",
    lambda value: _is_text(value) and "#" not in value,
)
check_switch = _must_be("True or False", lambda value: isinstance(value, bool))
check_metrics = _must_be(
    "a CloudWatch namespace: up to 255 printable ASCII characters, not beginning with ':' or"
    " 'AWS/', such as cxone_idem",
    lambda value: not value or _is_metrics_namespace(value),
)
