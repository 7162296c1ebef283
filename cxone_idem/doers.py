"""Which function of this process did which key, lately: two of them must not share one."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cxone_idem.errors import IdemError, quoted

if TYPE_CHECKING:
    from cxone_idem.deduplicator import Deduplicator

# Functions of one event meet within one invocation.
_KEYS_MAX = 1000


class Doers:
    """Notices that a key is done by one function and asked for by another. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._names: WeakKeyDictionary[Deduplicator, dict[str, str]] = WeakKeyDictionary()

    def note(self, deduplicator: Deduplicator, key: str, name: str) -> None:
        """Remember that the function `name` did the work of `key`."""
        with self._lock:
            names = self._names.setdefault(deduplicator, {})
            names.pop(key, None)
            names[key] = name
            if len(names) > _KEYS_MAX:
                del names[next(iter(names))]

    def check(self, deduplicator: Deduplicator, key: str, name: str) -> None:
        """Raise if another function did the work: this one's would be dropped, and never done."""
        with self._lock:
            doer = self._names.get(deduplicator, {}).get(key, name)
        if doer != name:
            message = (
                f"{name} did not run: its key {quoted(key)} is done by {doer}, which shares it;"
                " retrying does not help: give each of them a key of its own, such as"
                " key=\"['notify', id]\""
            )
            raise IdemError(message)
