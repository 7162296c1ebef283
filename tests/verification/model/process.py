"""One worker process: the real library, run from the record of all that it has been told.

A process stops wherever the world must decide: at a request to the store, inside its handler, and
between deliveries. Going on means running it anew from its first moment on the same inputs plus
one; the library is deterministic, so that is the same process, without threads and without copies.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from cxone_idem import Deduplicator, StoreError
from cxone_idem.runtime import Runtime
from tests.verification.model.program_state import Opaque, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem import Config
    from cxone_idem.protocol.store import ConditionalPut, PutResult
    from cxone_idem.record import Record


class Stop(Enum):
    """Where a process waits for the world."""

    REST = "between deliveries"
    STORE = "for the store"
    HANDLER = "in its handler"
    LINE = "with a completion that the committer may or may not send by now"


class Verb(Enum):
    """What a store is asked to do. The library only ever puts on a condition."""

    PUT_IF = "put"
    PUT = "put without a condition"
    READ = "read"
    DELETE = "delete"
    CLAIM_IF_LAPSED = "put, if no item or lapsed by its clock,"
    TRANSACT = "make the effect and put"
    TRANSACT_ANYWAY = "make the effect and put without a condition"
    EFFECT = "make the effect"


ON_A_CONDITION = frozenset({Verb.PUT_IF, Verb.TRANSACT})
MAKES_THE_EFFECT = frozenset({Verb.TRANSACT, Verb.TRANSACT_ANYWAY, Verb.EFFECT})


class Request(NamedTuple):
    """One request on its way to the store."""

    verb: Verb
    record: Record
    expected_version: str | None = None


class Input(NamedTuple):
    """What the world tells a process that waits, and what it finds when it looks around."""

    told: Any
    clock_ms: int
    fresh_version: str
    now_ms: int
    """The true time, which no clock that is set changes."""


Messages = tuple[tuple[int, str], ...]
"""A delivery: each message's key, by its number, and its id."""


class Event(NamedTuple):
    """Something a process did that the invariants care for."""

    kind: str
    detail: str = ""
    key: int = 0


class Paused(NamedTuple):
    """A process at a stop: what it did on the way there and all it has in mind."""

    stop: Stop
    requests: tuple[Request, ...]
    events: tuple[Event, ...]
    shape: Any
    names: tuple[str, ...]


class _Pause(BaseException):
    """Leaves the library's frames; no `except Exception` of a caller must see it."""


class Tape(Opaque):
    """The world as one process meets it: its inputs, one after the other."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._inputs = inputs
        self._position = -1
        self._events: list[Event] = []
        self.paused: Paused | None = None

    def now(self) -> float:
        """Return the process's own clock."""
        # Times are whole eighths of a second, so no float rounds them.
        return self._inputs[max(self._position, 0)].clock_ms / 1000

    def monotonic(self) -> float:
        """Return a clock that nobody sets."""
        return self._inputs[max(self._position, 0)].now_ms / 1000

    def new_version(self) -> str:
        """Return a version that is nowhere: neither in the store nor in anyone's memory."""
        return self._inputs[max(self._position, 0)].fresh_version

    def note(self, kind: str, detail: str = "", key: int = 0) -> None:
        """Tell the invariants what the process does."""
        self._events.append(Event(kind, detail, key))

    def wait(self, stop: Stop, requests: tuple[Request, ...] = ()) -> Any:
        """Return what the world says next, or leave if it has not spoken yet."""
        if self.paused is None and self._position + 1 < len(self._inputs):
            self._position += 1
            self._events.clear()
            return self._inputs[self._position].told
        if self.paused is None:
            shape = Shape()
            calls = shape.of_frames(sys._getframe(1), until="_live")  # noqa: SLF001 -- the frames are the program's state
            events = tuple(self._events)
            self.paused = Paused(stop, requests, events, calls, tuple(shape.names))
        raise _Pause


class Port(Opaque):
    """The store as a process reaches it: every write waits for the world."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Ask for the library's one operation."""
        return self.ask(Request(Verb.PUT_IF, record, expected_version))

    def transaction_item(self, put: ConditionalPut) -> Request:
        """Return the library's half of a transaction together with the effect."""
        return Request(Verb.TRANSACT, *put)

    def ask(self, request: Request) -> PutResult:
        """Send a request; return the answer or raise the failure that the world decides."""
        (answer,) = self.ask_all((request,))
        if isinstance(answer, StoreError):
            raise answer
        return answer

    def ask_all(self, requests: tuple[Request, ...]) -> list[PutResult | StoreError]:
        """Send several writes as one request; return each one's answer or failure."""
        told = self.tape.wait(Stop.STORE, requests)
        if isinstance(told, tuple):
            return list(told)
        problem = "DynamoDB did not answer"
        failure = StoreError(problem, "", "PutItem", outcome_unknown=bool(told))
        return [failure for _ in requests]


class Program(NamedTuple):
    """What every process runs: the library with its settings, its store and its consumer."""

    config: Config
    port: type[Port]
    deliver: Callable[[Deduplicator, Messages, Tape], None]

    def run(self, inputs: Sequence[Input]) -> Paused:
        """Run a process on all it was ever told, up to where it waits again."""
        tape = Tape(inputs)
        try:
            self._live(tape)
        except _Pause:
            assert tape.paused is not None
            return tape.paused
        message = "a process ended by itself"
        raise AssertionError(message)

    def _live(self, tape: Tape) -> None:
        claims = Deduplicator(
            self.port(tape),
            self.config,
            runtime=Runtime(now=tape.now, monotonic=tape.monotonic, new_version=tape.new_version),
        )
        while True:
            self.deliver(claims, tape.wait(Stop.REST), tape)
