"""One moment of a world: the store, the workers, and what is on its way between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.verification.model.image import NAME_MARK, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record
    from tests.verification.model.process import Node, Request
    from tests.verification.model.worlds import Budget, World


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
    claims_sent_ms: int = 0
    """When it last sent a claim: from then on the lease was asked for, whatever it sent since."""
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
    """What is stored under one key, and what the world knows of its work."""

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

    def read(self) -> tuple[list[Any], list[str]]:
        """Return all that this state is without its names, and the names, in one order."""
        things: list[Any] = [self.now_ms, self.left, self.slowest_ms, len(self.ghosts)]
        names: list[str] = []
        for record, *known in self.ledgers:
            number, found = shape_of(record)
            things += (number, *known)
            names += found
        for sent_ms, request in self.ghosts:
            number, found = shape_of(request)
            things += (sent_ms, number)
            names += found
        for part, found in sorted([_part(worker, self.now_ms) for worker in self.workers]):
            things.append(part)
            names += found
        return things, names

    def key(self) -> tuple[Any, ...]:
        """Return what is the same for all states that differ in names or order of workers alone."""
        things, names = self.read()
        numbers: dict[str, int] = {}
        return (*things, *[numbers.setdefault(name, len(numbers)) for name in names])


def first_state(world: World, born: Node) -> State:
    """Return the moment before anything happened."""
    stakes = (Stake(),) * world.keys
    workers = tuple(Worker(born, clock_ms, stakes) for clock_ms in world.clocks_ms)
    return State(world.start_ms, (Ledger(),) * world.keys, workers, world.budget)


def fresh_name(kind: str, live: Iterable[str]) -> str:
    """Return the first name of a kind that nobody knows: as good as a random one."""
    number = 1
    while f"{NAME_MARK}{kind}{number}" in live:
        number += 1
    return f"{NAME_MARK}{kind}{number}"


def _part(worker: Worker, now_ms: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    node, clock_ms, stakes, answers, sent_ms, claims_sent_ms, retried = worker
    number, names = shape_of(answers)
    part = [node.number, clock_ms, sent_ms, claims_sent_ms, number, retried]
    deliveries = []
    for delivery, until_ms, excused in stakes:
        # A promise that is over promises nothing, whenever it ended.
        part += (excused, max(0, until_ms - now_ms))
        deliveries.append(delivery)
    return tuple(part), (*deliveries, *node.names, *names)
