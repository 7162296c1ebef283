"""The state of a running program as a value that can be compared, so that equal states merge."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import fields, is_dataclass
from enum import Enum
from threading import Condition, Lock
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from cxone_idem.config import Config
from cxone_idem.protocol.transition import Counters

if TYPE_CHECKING:
    from types import FrameType

NAME_MARK = "~"
"""Begins every version and delivery id: two states that differ in such names alone are one."""

_PLAIN = (bool, int, float, str, bytes, type(None))
# What only counts decides nothing: two states that differ in what it saw go on alike.
_SAME_EVERYWHERE = (BuiltinFunctionType, Config, ModuleType, Counters, type, type(Lock()))


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
            shape: Any = thing.name
        elif isinstance(thing, str) and thing.startswith(NAME_MARK):
            self.names.append(thing)
            shape = thing[:2]
        elif isinstance(thing, _PLAIN):
            shape = thing
        elif isinstance(thing, (Opaque, *_SAME_EVERYWHERE)):
            shape = type(thing).__name__
        elif isinstance(thing, tuple):
            shape = (type(thing).__name__, *map(self.of, thing))
        elif is_dataclass(thing):
            values = (getattr(thing, field.name) for field in fields(thing))
            shape = (type(thing).__name__, *map(self.of, values))
        else:
            shape = self._of_mutable(thing)
        return shape

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
    for kind, parts in _PARTS.items():
        if isinstance(thing, kind):
            return parts(thing)
    if isinstance(thing, Iterator) and hasattr(thing, "__length_hint__"):
        # What is left, and what is gone: a half-made list on the stack cannot be looked at.
        return [*thing.__reduce__()[1:]]
    if hasattr(thing, "__dict__"):
        return _items(vars(thing))
    if hasattr(type(thing), "__slots__"):
        return [getattr(thing, name) for name in type(thing).__slots__]
    message = f"cannot compare a {type(thing).__name__}"
    raise TypeError(message)


def _items(things: dict[Any, Any]) -> list[Any]:
    return [part for item in sorted(things.items(), key=_key_text) for part in item]


def _of_function(function: FunctionType) -> list[Any]:
    cells = function.__closure__ or ()
    return [function.__qualname__, *(cell.cell_contents for cell in cells)]


def _key_text(item: tuple[Any, Any]) -> str:
    return str(item[0])


_PARTS: dict[type, Callable[[Any], list[Any]]] = {
    dict: _items,
    list: list,
    deque: list,
    Condition: lambda _: [],
    Context: lambda _: [],
    set: sorted,
    BaseException: lambda error: [*error.args],
    FunctionType: _of_function,
    MethodType: lambda method: [method.__func__.__qualname__, method.__self__],
    zip: lambda pairs: [*pairs.__reduce__()[1]],
    range: lambda numbers: [numbers.start, numbers.stop],
}

_shapes: dict[Any, tuple[int, tuple[str, ...]]] = {}
_shape_numbers: dict[Any, int] = {}


def shape_of(value: Any) -> tuple[int, tuple[str, ...]]:
    """Return a number for the shape of a record, an answer or a request, and the names in it."""
    found = _shapes.get(value)
    if found is None:
        shape = Shape()
        number = _shape_numbers.setdefault(shape.of(value), len(_shape_numbers))
        found = _shapes[value] = (number, tuple(shape.names))
    return found
