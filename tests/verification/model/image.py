"""What a process has in mind, as bytes: to compare it, and to go on from it later."""

from __future__ import annotations

import io
import pickle
import sys
from threading import Lock
from types import FunctionType
from typing import TYPE_CHECKING, Any

from cxone_idem import Config
from cxone_idem.protocol.transition import Counters
from cxone_idem.runtime import Runtime

if TYPE_CHECKING:
    from typing import TypeAlias

    _Id: TypeAlias = int | str | bytes | tuple[()]

NAME_MARK = "~"
"""Begins every version and delivery id: two states that differ in such names alone are one."""

Image = tuple[bytes, tuple[str, ...]]
"""An object without its names, and the names in the order in which they appear."""


class Opaque:
    """Part of the scheduler: the same in every image."""


# Counters decide nothing, and what a function closes over is the settings.
_SHARED = (Opaque, Config, Counters, FunctionType, Runtime)
_LOCK = type(Lock())


class _Pickler(pickle.Pickler):
    def __init__(self, out: io.BytesIO, shared: dict[bytes, Any]) -> None:
        super().__init__(out, protocol=5)
        self.names: dict[str, int] = {}
        self._shared = shared

    def persistent_id(self, thing: Any) -> _Id | None:
        if type(thing) is str:
            named = thing.startswith(NAME_MARK)
            # Interned, or equal texts that are two objects would make two images.
            return self.names.setdefault(thing, len(self.names)) if named else sys.intern(thing)
        if isinstance(thing, _SHARED) or isinstance(getattr(thing, "__self__", None), Opaque):
            same = repr(getattr(thing, "__code__", type(thing))).encode()
            self._shared.setdefault(same, thing)
            return same
        return () if isinstance(thing, _LOCK) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, image: Image, shared: dict[bytes, Any]) -> None:
        super().__init__(io.BytesIO(image[0]))
        self._names = image[1]
        self._shared = shared

    def persistent_load(self, pid: _Id) -> Any:
        if isinstance(pid, int):
            return self._names[pid]
        if isinstance(pid, bytes):
            return self._shared[pid]
        return pid or Lock()


class Memory:
    """Takes images of one program's objects, and makes objects of them again."""

    def __init__(self) -> None:
        self._shared: dict[bytes, Any] = {}

    def image(self, thing: Any, *, plain: bool = False) -> Image:
        """Return the image of an object; if it is `plain`, equal values have equal images."""
        out = io.BytesIO()
        pickler = _Pickler(out, self._shared)
        pickler.fast = plain
        pickler.dump(thing)
        return out.getvalue(), tuple(pickler.names)

    def load(self, image: Image) -> Any:
        """Return a new object of which `image` is the image."""
        return _Unpickler(image, self._shared).load()


_plain = Memory()
_shapes: dict[Any, tuple[int, tuple[str, ...]]] = {}
_numbers: dict[bytes, int] = {}


def shape_of(value: Any) -> tuple[int, tuple[str, ...]]:
    """Return a number for a plain value without its names, and the names in it."""
    found = _shapes.get(value)
    if found is None:
        image, names = _plain.image(value, plain=True)
        found = _shapes[value] = _numbers.setdefault(image, len(_numbers)), names
    return found
