"""What this process's writes cost and met, counted where they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from threading import Lock
from typing import TYPE_CHECKING

from cxone_idem.protocol import is_own
from cxone_idem.record import State

if TYPE_CHECKING:
    from cxone_idem.record import Record
    from cxone_idem.store import Answer, Write

# The most values one metric may have in a line ("Specification: Embedded metric format").
_REQUESTS_MAX = 100
# Names, numbers and the state of an item that has every attribute but an origin's texts.
_FIXED_BYTES = 260
_UNIT_BYTES = 1024


@dataclass
class Counts:
    """How often something happened since it was last asked for."""

    write_units: int = 0
    """Write units by the size of the items; see `write_units`."""
    released: int = 0
    """Claims given back."""
    taken_over: int = 0
    """Claims made over a lease that had run out: its worker died, or took too long."""
    lost_answers: int = 0
    """Writes that had landed though their answer never came, recognised as our own."""
    request_ms: list[int] = field(default_factory=list)
    """How long requests took, by this machine's clock; of more than 100 the first 100."""


class Tally:
    """Counts what happens until somebody takes the counts. Thread-safe; it decides nothing.

    Most consumers ask for no metrics, so it counts nothing before its `start`.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = Counts()
        self._counts_on = False

    def start(self) -> None:
        """Count from now on."""
        self._counts_on = True

    def take(self) -> Counts:
        """Return the counts since the last call."""
        with self._lock:
            taken, self._counts = self._counts, Counts()
        return taken

    def request(self, took_ms: int) -> None:
        """Count a request that was answered or failed after `took_ms`."""
        if not self._counts_on:
            return
        with self._lock:
            if len(self._counts.request_ms) < _REQUESTS_MAX:
                # A clock that is set back makes no request faster than instant.
                self._counts.request_ms.append(max(0, took_ms))

    def write(self, write: Write, answer: Answer) -> None:
        """Count a write that the store answered."""
        if not self._counts_on:
            return
        written, expected_version = write
        # What replaces its own version asks whether it stands there already.
        again = answer.written and expected_version == written.version
        own = again or is_own(written, answer.seen)
        # A refused write is charged by the item that stands there ("DynamoDB read and write
        # operations" in its Developer Guide).
        units = write_units(answer.seen or written)
        with self._lock:
            self._counts.write_units += units
            self._counts.lost_answers += own
            if written.state is State.RELEASED and (own or answer.written):
                self._counts.released += 1

    def takeover(self) -> None:
        """Count a claim made over a lease that had run out."""
        with self._lock:
            self._counts.taken_over += self._counts_on

    def lost_answer(self) -> None:
        """Count a write that turned out to have landed when a later one was refused by it."""
        with self._lock:
            self._counts.lost_answers += self._counts_on


def write_units(record: Record) -> int:
    """Return the write units of one write of `record`, by an upper bound of its item's size.

    One for each KB or part of it; what the SDK repeats by itself or the user's own transaction
    writes is not seen. Counted rather than asked of DynamoDB (`ReturnConsumedCapacity`), which
    tells nothing of refused writes.
    """
    size = _FIXED_BYTES + _bytes(record.partition_key) + _bytes(record.version)
    size += sum(_bytes(getattr(record.origin, part.name)) for part in fields(record.origin))
    size += _bytes(record.fingerprint) + _bytes(record.result)
    return -(-size // _UNIT_BYTES)


def _bytes(value: object) -> int:
    return len(value.encode()) if isinstance(value, str) else 0
