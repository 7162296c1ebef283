"""Visits every state of a world, breadth first, until nothing new appears."""

from __future__ import annotations

import gc
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.verification.model.line import owned_line
from tests.verification.model.moves import Move, moves
from tests.verification.model.program_state import shape_of
from tests.verification.model.recovery import Recovery
from tests.verification.model.scheduler import Scheduler
from tests.verification.model.state import Nodes, State, first_state
from tests.verification.model.story import tell

if TYPE_CHECKING:
    from tests.verification.model.process import Program
    from tests.verification.model.state import Ledger
    from tests.verification.model.world import World


_Frontier = list[tuple[tuple[Any, ...], State]]


class Found(NamedTuple):
    """What a search found out about a world."""

    world: World
    states: int
    transitions: int
    depth: int
    """How many moves the longest of all shortest ways has."""
    programs: int
    """How many states of one process were met; the library ran once for each way on from them."""
    recoveries: int
    seconds: float
    broken: str = ""
    story: str = ""
    """The shortest way to what is broken, told."""

    def __str__(self) -> str:
        return (
            f"{self.world.name}: {self.states:,} states, {self.transitions:,} transitions,"
            f" depth {self.depth}, {self.programs:,} program states,"
            f" {self.recoveries:,} recoveries, {self.seconds:.1f} s [{self.world.budget}]"
        )


class Search:
    """A breadth-first search; what it breaks first is broken in the fewest moves."""

    def __init__(self, program: Program, world: World) -> None:
        self.scheduler = Scheduler(world, Nodes(program, merge=world.reduced))
        self._world = world
        self._recovery = Recovery(self.scheduler)
        self._transitions = 0
        self.stores: set[tuple[Any, ...]] = set()
        """What the store and the ledger can show, names apart."""
        self._came_from: dict[tuple[Any, ...], tuple[tuple[Any, ...], Move] | None] = {}

    @owned_line()
    def run(self) -> Found:
        """Search until nothing new appears or something is broken."""
        # A log line for every expected failure of a million runs would be most of the time.
        logging.getLogger("cxone_idem").disabled = True
        # States refer to no state that refers back: looking for cycles among a million is in vain.
        gc.disable()
        began = time.perf_counter()
        depth = 0
        first = first_state(self._world, self.scheduler.nodes)
        frontier = [(first.key(), first)]
        self._came_from[frontier[0][0]] = None
        broken = ""
        way: tuple[Move, ...] = ()
        try:
            while frontier and not broken:
                frontier, broken, way = self._widen(frontier)
                depth += bool(frontier or broken)
        finally:
            logging.getLogger("cxone_idem").disabled = False
            gc.enable()
        return Found(
            self._world,
            len(self._came_from),
            self._transitions,
            depth,
            len(self.scheduler.nodes),
            len(self._recovery),
            time.perf_counter() - began,
            broken,
            tell(self.scheduler, way, broken) if broken else "",
        )

    def _widen(self, frontier: _Frontier) -> tuple[_Frontier, str, tuple[Move, ...]]:
        wider: _Frontier = []
        for key, state in frontier:
            for move in moves(state, self._world):
                self._transitions += 1
                after, broken = self.scheduler.play(state, move)
                after_key = after.key()
                if after_key not in self._came_from:
                    self._came_from[after_key] = (key, move)
                    broken = broken or self._recovery.broken(after)
                    self.stores.add((after.now_ms, *map(_shown, after.ledgers)))
                    wider.append((after_key, after))
                if broken:
                    return wider, broken, (*self._way(key), move)
        return wider, "", ()

    def _way(self, key: tuple[Any, ...]) -> list[Move]:
        way: list[Move] = []
        step = self._came_from[key]
        while step is not None:
            key, move = step
            way.append(move)
            step = self._came_from[key]
        return way[::-1]


def _shown(ledger: Ledger) -> tuple[bool, int]:
    return ledger.finished, shape_of(ledger.record)[0]
