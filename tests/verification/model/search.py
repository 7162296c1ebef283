"""Visits every state of a world, breadth first, until nothing new appears."""

from __future__ import annotations

import gc
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.verification.model.consumer import in_sight
from tests.verification.model.image import shape_of
from tests.verification.model.invariants import Recovery, broken_by_owners
from tests.verification.model.moves import Moves
from tests.verification.model.state import State, first_state
from tests.verification.model.story import story_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.verification.model.moves import Move
    from tests.verification.model.worlds import World

_Key = tuple[Any, ...]


class Search:
    """A breadth-first search; what it breaks first is broken in the fewest moves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._moves = Moves(world, world.program())
        self._recovery = Recovery(self._moves)
        self._first = first_state(world, self._moves.program.born)
        # A state's key: that of the state before it, and the number of the move between them.
        self._came_from: dict[_Key, tuple[_Key, int]] = {self._first.key(): ((), 0)}
        self._count = self._depth = 0
        self._seconds = 0.0
        self.stores: set[_Key] = set()
        """What the store and the ledger can show, names apart."""
        self.broken = ""
        """The invariant that is broken, or nothing."""
        self.story = ""
        """The shortest way to it, for a reader."""

    def __len__(self) -> int:
        """Return how many states were found."""
        return len(self._came_from)

    def __str__(self) -> str:
        return (
            f"{self._world.name}: {len(self):,} states, {self._count:,} moves, depth {self._depth},"
            f" {len(self._moves.program):,} program states, {len(self._recovery):,} recoveries,"
            f" {self._seconds:.1f} s [{self._world.budget}]{self.story}"
        )

    def run(self) -> Search:
        """Search until nothing new appears or something is broken; return this search."""
        began = time.process_time()
        frontier = {self._first.key(): self._first}
        with _undisturbed():
            while frontier and not self.broken:
                frontier = self._wider(frontier)
                self._depth += bool(frontier or self.broken)
        self._seconds = time.process_time() - began
        return self

    def _wider(self, frontier: dict[_Key, State]) -> dict[_Key, State]:
        wider: dict[_Key, State] = {}
        for key, state in frontier.items():
            for number, move in enumerate(self._moves.of(state)):
                self._count += 1
                after = move.after
                broken = move.broken or broken_by_owners(after)
                after_key = after.key()
                if after_key not in self._came_from:
                    self._came_from[after_key] = (key, number)
                    broken = broken or self._recovery.broken(after)
                    shown = [(one.finished, shape_of(one.record)[0]) for one in after.ledgers]
                    self.stores.add((after.now_ms, *shown))
                    wider[after_key] = after
                if broken:
                    self.broken = broken
                    self.story = story_of(self._first, [*self._way(key), move], broken)
                    return wider
        return wider

    def _way(self, key: _Key) -> list[Move]:
        numbers: list[int] = []
        while key != self._first.key():
            key, number = self._came_from[key]
            numbers.append(number)
        way: list[Move] = []
        for number in numbers[::-1]:
            way.append([*self._moves.of(way[-1].after if way else self._first)][number])
        return way


@contextmanager
def _undisturbed() -> Iterator[None]:
    # A log line for every expected failure of a million runs would be most of the time.
    logging.getLogger("cxone_idem").disabled = True
    # States refer to no state that refers back: looking for cycles among a million is in vain.
    gc.disable()
    try:
        with in_sight():
            yield
    finally:
        logging.getLogger("cxone_idem").disabled = False
        gc.enable()
