"""Detects two functions of this process that share a key: the second one would never run."""

from __future__ import annotations

from threading import Lock

from cxone_idem.claims.registry import Recent
from cxone_idem.errors import IdemError
from cxone_idem.text import quoted

# The most messages that a batch from SQS can have: functions of one event meet in one invocation.
_KEYS_MAX = 10_000


class KeyOwners:
    """The function that did the work of each key, lately. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._names: Recent[str] = Recent(_KEYS_MAX)

    def note(self, key: str, name: str) -> None:
        """Remember that the function `name` did the work of `key`."""
        with self._lock:
            self._names.put(key, name)

    def forget(self, key: str) -> None:
        """Forget which function did the work of `key`."""
        with self._lock:
            self._names.pop(key)

    def check(self, key: str, name: str) -> None:
        """Raise `IdemError` if another function did the work: this one's would be dropped.

        A key that another process did counts as done by the function that asks for it first.
        """
        with self._lock:
            owner = self._names.get(key) or name
            self._names.put(key, owner)
        if owner != name:
            message = (
                f"{name} did not run: its key {quoted(key)} is done by {owner}, which shares it;"
                " retrying does not help: give each of them a key of its own (@once:"
                " key=\"['notify', id]\"; process_batch: a deduplicator with a"
                " CXONE_IDEM_NAMESPACE of its own), or pass one function that calls both"
            )
            raise IdemError(message)
