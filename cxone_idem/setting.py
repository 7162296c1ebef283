"""One setting: its variable, its limits, how its text is read, and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

PREFIX = "CXONE_IDEM_"
NAMESPACE_MAX = 255

_SWITCH = {"true": True, "1": True, "false": False, "0": False}


def setting(
    default: Any, meaning: str, *, least: float = 0, most: float = 0, unit: str = "seconds"
) -> Any:
    """Return a dataclass field with what is said of it; without `most` it is no number."""
    limits = {"least": least, "most": most, "unit": unit}
    return field(default=default, metadata={"meaning": meaning, **limits})


def variable(setting: str) -> str:
    """Return the environment variable of a setting: `CXONE_IDEM_TABLE` for `table`."""
    return PREFIX + setting.upper()


def parse(text: str, default: Any) -> Any:
    """Return the value that `text` stands for; raise `ValueError` with what was expected."""
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


def is_text(value: object) -> bool:
    """Tell whether `value` is legible text; bytes that are no UTF-8 become surrogates instead."""
    return isinstance(value, str) and value.isprintable()


def is_within(value: Any, limits: Mapping[str, Any]) -> bool:
    """Tell whether `value` is a number inside the limits of its setting."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and limits["least"] <= value <= limits["most"]
        and (limits["unit"] == "seconds" or value == int(value))
    )


def is_metrics_namespace(value: object) -> bool:
    """Tell whether CloudWatch takes `value` for the namespace of metrics."""
    # A switch is what somebody sets who takes the setting for one.
    return (
        isinstance(value, str)
        and value.isascii()
        and value.isprintable()
        and len(value) <= NAMESPACE_MAX
        and not value.startswith((":", "AWS/"))
        and value.lower() not in _SWITCH
    )
