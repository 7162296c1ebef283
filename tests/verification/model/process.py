"""One worker process: the real library, run from where it last rested on what it was given since.

A process stops wherever the world must decide: at a request to the store, inside its handler, and
between deliveries. To go on is to load its claims as they were before the delivery and to run that
anew on the same inputs plus one; the library is deterministic, so that is the same process, without
threads. Two processes are the same if their claims are, and the transitions of this delivery.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cxone_idem import Config, Deduplicator, StoreError
from cxone_idem.record import partition_key
from cxone_idem.runtime import Runtime
from tests.verification.model.image import Image, Memory, Opaque, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.protocol.store import ConditionalPut, PutResult
    from cxone_idem.record import Record

    Deliver = Callable[["Deduplicator", "Messages", "Port"], None]

# The lease only has to differ from its margin; the retention outlasts every wrong clock here.
CONFIG = Config(lease_seconds=10, retention_seconds=600)
KEYS = ("k", "l")
_NUMBERS = {partition_key(CONFIG.namespace, key): number for number, key in enumerate(KEYS)}

Stop = Literal["rest", "store", "handler", "line"]
"""Where a process waits for the world: between deliveries, for the store, in its handler, or with a
completion that the committer may or may not send by now."""

Verb = Literal["put if", "put", "read", "delete", "if lapsed", "effect", "transact if", "transact"]
"""What a store is asked to do; the library only ever puts if. A transaction is effect and put."""


class Request(NamedTuple):
    """One write on its way to the store."""

    verb: Verb
    record: Record
    expected_version: str | None = None

    @property
    def key(self) -> int:
        """The number of its key."""
        return _NUMBERS[self.record.partition_key]


class Input(NamedTuple):
    """What the world gives to a process that waits, and what it finds when it looks around."""

    value: Any
    clock_ms: int
    fresh_version: str
    now_ms: int
    """The true time, which no clock that is set changes."""


Messages = tuple[tuple[int, str], ...]
"""A delivery: each message's key, by its number, and its id."""


class Event(NamedTuple):
    """Something a process did that the invariants care for."""

    kind: str
    key: int = 0


class _Pause(BaseException):
    """Leaves the library's frames. Where one swallows it, what the process does then is no more."""


class Port(Opaque):
    """The world as one process meets it: the store, the clocks, and what is decided outside."""

    def __init__(self) -> None:
        self.start((Input(None, 0, "", 0),))

    def start(self, inputs: tuple[Input, ...], look: Callable[[], Image] | None = None) -> None:
        """Be the world of a process that gets these inputs, one after the other; `look` at it."""
        self._inputs = inputs
        self._look = look
        self.log: list[Any] = [inputs[0].value]
        """What it did since all it has in mind was its claims: its transitions, in order."""
        self._position = 0
        self.events: list[Event] = []
        self.stop: Stop | None = None
        self.requests: tuple[Request, ...] = ()
        self.mind: Image | None = None

    @property
    def alone(self) -> bool:
        """Whether the delivery is a single message."""
        return len(self._inputs[0].value) == 1

    def now(self) -> float:
        # Times are whole eighths of a second, so no float rounds them.
        return self._inputs[self._position].clock_ms / 1000

    def monotonic(self) -> float:
        return self._inputs[self._position].now_ms / 1000

    def new_version(self) -> str:
        return self._inputs[self._position].fresh_version

    def note(self, kind: str, key: int = 0) -> None:
        """Let the invariants know what the process does."""
        if self.stop is None:
            self.events.append(Event(kind, key))

    def wait(self, stop: Stop, requests: tuple[Request, ...] = ()) -> Any:
        """Return what the world says next, or leave if it has not spoken yet."""
        if self.stop is None and self._position + 1 < len(self._inputs):
            self._position += 1
            self.events = []
            if stop != "store":
                self.log.append(self._inputs[self._position].value)
            return self._inputs[self._position].value
        if self.stop is None and self._look is not None:
            self.stop, self.requests = stop, requests
            self.mind = self._look()
        raise _Pause

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        return self.ask(Request("put if", record, expected_version))

    def transaction_item(self, put: ConditionalPut) -> Request:
        """Return the library's half of a transaction together with the effect."""
        return Request("transact if", *put)

    def ask(self, *requests: Request) -> PutResult:
        """Send a request; return the answer or raise the failure that the world decides."""
        (answer,) = self.ask_all(requests)
        if isinstance(answer, StoreError):
            raise answer
        return answer

    def ask_all(self, requests: tuple[Request, ...]) -> list[PutResult | StoreError]:
        """Send several writes as one request; return each one's answer or failure."""
        value = self.wait("store", requests)
        if isinstance(value, tuple):
            return list(value)
        return [StoreError("no answer", "", "PutItem", outcome_unknown=value) for _ in requests]


class ManyPort(Port):
    """A store that takes several writes in one request, and carries out each by itself."""

    def put_many(self, puts: Sequence[ConditionalPut], *_: object) -> list[PutResult | StoreError]:
        return self.ask_all(tuple(Request("put if", *put) for put in puts))


class Node(NamedTuple):
    """A process at a stop. Every process that has the same in mind is the same node."""

    number: int
    names: tuple[str, ...]
    stop: Stop
    requests: tuple[Request, ...]
    image: Image
    """The process as it last rested."""
    inputs: tuple[Input, ...] = ()
    """All that it was given since."""


class Program:
    """What every process runs, all nodes met so far, and where each input leads from each."""

    def __init__(self, port: Port, config: Config, deliver: Deliver, *, merge: bool) -> None:
        self._port = port
        self._deliver = deliver
        self._merge = merge
        self._memory = Memory()
        self._steps: dict[tuple[int, Input], tuple[Node, tuple[Event, ...]]] = {}
        runtime = Runtime(now=port.now, monotonic=port.monotonic, new_version=port.new_version)
        rested = self._memory.image(Deduplicator(port, config, runtime=runtime))
        self.born = Node(0, (), "rest", (), rested)
        self._numbers: dict[Any, int] = {(None, rested[0]): 0}
        self._known = {self.born[:2]: self.born}

    def __len__(self) -> int:
        """Return how many nodes were met."""
        return len(self._known)

    def step(self, node: Node, given: Input) -> tuple[Node, tuple[Event, ...]]:
        """Return where a process goes when it is given something, and what it does on the way."""
        found = self._steps.get((id(node), given))
        if found is None:
            found = self._steps[id(node), given] = self._run(node, given)
        return found

    def _run(self, node: Node, given: Input) -> tuple[Node, tuple[Event, ...]]:
        port, image, inputs = self._port, node.image, (*node.inputs, given)
        claims = self._memory.load(image)
        # The session keeps the time at which the request on its way was sent.
        port.start(
            inputs,
            lambda: self._memory.image((claims, port.log, port.requests, given.clock_ms)),
        )
        with suppress(_Pause):
            self._deliver(claims, inputs[0].value, port)
        if port.stop is None:
            image = port.mind = self._memory.image(claims)
            inputs = ()
        mind: tuple[Any, ...] = port.mind or image
        if not self._merge:
            shape, names = shape_of(given)
            mind = (node.number, shape), (*node.names, *names)
        number = self._numbers.setdefault((port.stop, mind[0]), len(self._numbers))
        names = mind[1]
        arrived = Node(number, names, port.stop or "rest", port.requests, image, inputs)
        return self._known.setdefault((number, names), arrived), tuple(port.events)
