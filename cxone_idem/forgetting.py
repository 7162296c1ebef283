"""Making a key that is done free to claim, without reading and without a claim of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem import protocol
from cxone_idem.errors import InProgressError, StoreError
from cxone_idem.record import Origin, State
from cxone_idem.store import NO_DEADLINE, Write

if TYPE_CHECKING:
    from cxone_idem.clock import Reading
    from cxone_idem.holdings import Holdings
    from cxone_idem.record import Record
    from cxone_idem.store import Answer
    from cxone_idem.writer import Writer


def free_done(key: str, where: str, writer: Writer, holdings: Holdings) -> None:
    """Make a key free to claim if it is done; leave it as it is if it is free already.

    Raises `InProgressError` while a worker has it, and `StoreError` if the store cannot say.
    """
    seen, reading = _look(where, writer)
    while seen is not None and seen.state is State.DONE:
        freed = protocol.released(seen, writer.stamp(0))
        answer, reading = _put(Write(freed, seen.version), writer)
        seen = answer.seen  # ours, if only the answer to it was lost
    if seen is not None and seen.state is State.IN_PROGRESS:
        left_ms = seen.lease_until_ms - reading.earliest_ms
        if left_ms > 0:
            raise InProgressError(key, left_ms / 1000, seen, None, holdings.is_held(seen))


def _look(where: str, writer: Writer) -> tuple[Record | None, Reading]:
    """Return what is stored for a key, by a write that no item can let pass.

    So this needs no permission to read, and leaves no item where there was none.
    """
    nothing = protocol.claimed(where, None, writer.stamp(0), Origin())
    answer, reading = _put(Write(nothing, writer.stamp(0).version), writer)
    return answer.seen, reading


def _put(write: Write, writer: Writer) -> tuple[Answer, Reading]:
    ((answer, reading),) = writer.put_many([write], NO_DEADLINE)
    if isinstance(answer, StoreError):
        raise answer
    return answer, reading
