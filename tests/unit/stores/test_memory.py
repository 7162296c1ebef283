"""The memory store under threads."""

from __future__ import annotations

import contextlib
from threading import Barrier, BrokenBarrierError, Thread
from typing import TYPE_CHECKING, Any

from cxone_idem import Deduplicator, MemoryStore

if TYPE_CHECKING:
    import pytest


class MeetingPlace(dict[str, Any]):
    """A dict in whose `get` two threads wait for each other, unless something keeps one out."""

    def __init__(self) -> None:
        super().__init__()
        self._both_are_here = Barrier(2)

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key, default)
        with contextlib.suppress(BrokenBarrierError):
            self._both_are_here.wait(timeout=0.2)
        return found


def test_the_memory_stores_check_and_write_are_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads cannot both look before either writes."""
    store = MemoryStore()
    monkeypatch.setattr(store, "_records", MeetingPlace())
    won: list[bool] = []

    def race() -> None:
        try:
            won.append(bool(Deduplicator(store).claim("k")))
        except Exception:  # noqa: BLE001 -- in progress: the race was lost
            won.append(False)

    threads = [Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, True]
