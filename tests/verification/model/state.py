"""One moment of a world: the store, the workers, and what is on its way between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.verification.model.program_state import NAME_MARK, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record
    from tests.verification.model.process import Event, Input, Paused, Program, Request
    from tests.verification.model.world import Budget, World


class Node:
    """A process at a stop. Every process that has the same in mind is the same node."""

    __slots__ = ("inputs", "names", "number", "requests", "stop")

    def __init__(self, inputs: tuple[Input, ...], paused: Paused, number: int) -> None:
        self.inputs = inputs
        self.stop = paused.stop
        self.requests = paused.requests
        self.names = paused.names
        self.number = number


class Nodes:
    """All nodes met so far, and where each input leads from each."""

    def __init__(self, program: Program, *, merge: bool = True) -> None:
        self._program = program
        self._merge = merge
        self._known: dict[tuple[Any, ...], Node] = {}
        self._numbers: dict[Any, int] = {}
        self._steps: dict[tuple[int, Input], tuple[Node, tuple[Event, ...]]] = {}
        self.born = self._run(())[0]

    def __len__(self) -> int:
        """Return how many nodes were met."""
        return len(self._known)

    def step(self, node: Node, told: Input) -> tuple[Node, tuple[Event, ...]]:
        """Return where a process goes when it is told something, and what it does on the way."""
        found = self._steps.get((id(node), told))
        if found is None:
            found = self._run((*node.inputs, told))
            self._steps[id(node), told] = found
        return found

    def _run(self, inputs: tuple[Input, ...]) -> tuple[Node, tuple[Event, ...]]:
        paused = self._program.run(inputs)
        shape = paused.shape if self._merge else inputs
        number = self._numbers.setdefault(shape, len(self._numbers))
        node = self._known.get((number, paused.names))
        if node is None:
            node = self._known[number, paused.names] = Node(inputs, paused, number)
        return node, paused.events


class Stake(NamedTuple):
    """What one worker is owed on one key."""

    delivery: str = ""
    until_ms: int = 0
    """Until when its claim was promised to be its alone; 0 if it holds none."""
    excused: bool = False
    """Whether it may have left a claim behind: it crashed, or the store did not answer it."""


class Worker(NamedTuple):
    """A process, its clock, and what it is owed."""

    node: Node
    clock_ms: int
    """How far its clock is ahead of the store's."""
    stakes: tuple[Stake, ...]
    """Key by key."""
    answers: tuple[PutResult | None, ...] = ()
    """The store's answer to each write of the request; None for those it has not carried out."""
    sent_ms: int = 0
    retried: bool = False
    """Whether the SDK sent the request before: the store may have carried that out."""

    @property
    def answered(self) -> bool:
        """Whether the whole answer is on its way back."""
        return bool(self.answers) and None not in self.answers

    def with_stake(self, key: int, **changes: Any) -> Worker:
        """Return this worker with something changed of what it is owed on a key."""
        stake = self.stakes[key]._replace(**changes)
        return self._replace(stakes=(*self.stakes[:key], stake, *self.stakes[key + 1 :]))


class Ledger(NamedTuple):
    """What stands under one key, and what the world knows of its work."""

    record: Record | None = None
    finished: bool = False
    """Whether a handler ever returned, or a transaction made the effect."""
    done_until_ms: int = 0
    effect_until_ms: int = 0
    """Until when no transaction may make the effect again; 0 if none has made it."""


class State(NamedTuple):
    """Everything that decides what can happen next."""

    now_ms: int
    ledgers: tuple[Ledger, ...]
    """Key by key."""
    workers: tuple[Worker, ...]
    left: Budget
    ghosts: tuple[tuple[int, Request], ...] = ()
    slowest_ms: int = 0
    """The slowest round trip so far: the store's clock is taken to be that much ahead."""

    def with_worker(self, number: int, worker: Worker) -> State:
        """Return this state with one worker changed."""
        workers = (*self.workers[:number], worker, *self.workers[number + 1 :])
        return self._replace(workers=workers)

    def with_ledger(self, key: int, **changes: Any) -> State:
        """Return this state with something changed of one key."""
        ledger = self.ledgers[key]._replace(**changes)
        return self._replace(ledgers=(*self.ledgers[:key], ledger, *self.ledgers[key + 1 :]))

    def spend(self, name: str) -> State:
        """Return this state with one less left of something."""
        return self._replace(left=self.left._replace(**{name: getattr(self.left, name) - 1}))

    def live_names(self) -> set[str]:
        """Return all versions and deliveries that somebody could still compare something with."""
        live: set[str] = set()
        for ledger in self.ledgers:
            live.update(shape_of(ledger.record)[1])
        for worker in self.workers:
            live.update(worker.node.names, shape_of(worker.answers)[1])
            live.update(stake.delivery for stake in worker.stakes)
        for ghost in self.ghosts:
            live.update(shape_of(ghost[1])[1])
        return live

    def key(self) -> tuple[Any, ...]:
        """Return what is the same for all states that differ in names or order of workers alone."""
        things: list[Any] = [self.now_ms, self.left]
        names: list[str] = []
        for ledger in self.ledgers:
            number, found = shape_of(ledger.record)
            things += (number, *ledger[1:])
            names += found
        for _, value in self.ghosts:
            number, found = shape_of(value)
            things.append(number)
            names += found
        things += (self.slowest_ms, *(ghost[0] for ghost in self.ghosts))
        for part, found in sorted(_part(worker, self.now_ms) for worker in self.workers):
            things.append(part)
            names += found
        return (*things, *_renamed(names))


def first_state(world: World, nodes: Nodes) -> State:
    """Return the moment before anything happened."""
    stakes = (Stake(),) * world.keys
    workers = tuple(Worker(nodes.born, clock_ms, stakes) for clock_ms in world.clocks_ms)
    return State(world.start_ms, (Ledger(),) * world.keys, workers, world.budget)


def fresh_name(kind: str, live: Iterable[str]) -> str:
    """Return the first name of a kind that nobody knows: as good as a random one."""
    number = 1
    while f"{NAME_MARK}{kind}{number}" in live:
        number += 1
    return f"{NAME_MARK}{kind}{number}"


def _part(worker: Worker, now_ms: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    number, names = shape_of(worker.answers)
    part = [worker.node.number, worker.clock_ms, worker.sent_ms, number, worker.retried]
    for stake in worker.stakes:
        # A promise that is over promises nothing, whenever it ended.
        part += (stake.excused, max(0, stake.until_ms - now_ms))
    deliveries = (stake.delivery for stake in worker.stakes)
    return tuple(part), (*deliveries, *worker.node.names, *names)


def _renamed(names: Sequence[str]) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]
