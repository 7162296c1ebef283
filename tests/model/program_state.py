"""The state of a running program as a value that can be compared, so that equal states merge."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from threading import Lock
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from cxone_idem.config import Config

if TYPE_CHECKING:
    from types import FrameType

NAME_MARK = "~"
"""Begins every version and delivery id: two states that differ in such names alone are one."""

_PLAIN = (bool, int, float, str, bytes, type(None))
_SAME_EVERYWHERE = (Config, ModuleType, type, type(Lock()))


class Opaque:
    """Part of the scheduler: the same in every state, so nothing to compare."""


class Shape:
    """Reads values into nested tuples, and takes the names in them out."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[int, int] = {}
        # An id stays taken only while its object lives.
        self._kept: list[Any] = []

    def of(self, thing: Any) -> Any:
        """Return the shape of any value; raise `TypeError` for a kind it does not know."""
        if isinstance(thing, Enum):
            return thing.name
        if isinstance(thing, str) and thing.startswith(NAME_MARK):
            self.names.append(thing)
            return thing[:2]
        if isinstance(thing, _PLAIN):
            return thing
        if isinstance(thing, Opaque) or isinstance(thing, _SAME_EVERYWHERE):
            return type(thing).__name__
        if isinstance(thing, tuple):
            return (type(thing).__name__, *map(self.of, thing))
        if is_dataclass(thing):
            values = (getattr(thing, field.name) for field in fields(thing))
            return (type(thing).__name__, *map(self.of, values))
        return self._of_mutable(thing)

    def of_frames(self, frame: FrameType | None, until: str) -> Any:
        """Return the shape of the calls from `frame` down to the function named `until`."""
        calls = []
        while frame is not None:
            calls.append((frame.f_code.co_name, frame.f_lasti, self.of(dict(frame.f_locals))))
            if frame.f_code.co_name == until:
                return tuple(calls)
            frame = frame.f_back
        message = f"nothing called from {until}"
        raise LookupError(message)

    def _of_mutable(self, thing: Any) -> Any:
        number = self._numbers.get(id(thing))
        if number is not None:
            return ("#", number)
        self._numbers[id(thing)] = len(self._kept)
        self._kept.append(thing)
        return (type(thing).__name__, *map(self.of, _parts(thing)))


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return [part for item in sorted(thing.items(), key=_key_text) for part in item]
    if isinstance(thing, list):
        return thing
    if isinstance(thing, (set, frozenset)):
        return sorted(thing)
    if isinstance(thing, BaseException):
        return [*thing.args]
    if isinstance(thing, FunctionType):
        return [thing.__qualname__, *(cell.cell_contents for cell in thing.__closure__ or ())]
    if isinstance(thing, MethodType):
        return [thing.__func__.__qualname__, thing.__self__]
    if isinstance(thing, range):
        return [thing.start, thing.stop]
    if hasattr(thing, "__dict__"):
        return [part for item in sorted(vars(thing).items()) for part in item]
    slots = getattr(type(thing), "__slots__", None)
    if slots is not None:
        return [getattr(thing, name) for name in slots]
    message = f"cannot compare a {type(thing).__name__}"
    raise TypeError(message)


def _key_text(item: tuple[Any, Any]) -> str:
    return str(item[0])
