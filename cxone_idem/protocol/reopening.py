"""A key that is done, on its way to being free to claim again."""

from __future__ import annotations

from cxone_idem.errors import IdemError, StoreError
from cxone_idem.protocol import decisions
from cxone_idem.protocol.clock import ClockSample
from cxone_idem.protocol.store import ConditionalPut
from cxone_idem.protocol.transition import Reply, Stamper
from cxone_idem.record import Origin, Record, State


class Reopening:
    """A key that is done, made free to claim, without reading and without a claim on it."""

    def __init__(self, partition_key: str, stamper: Stamper) -> None:
        self._partition_key = partition_key
        self._stamper = stamper
        self.done = False
        self.error: IdemError | None = None
        self.existing: Record | None = None
        """The record that is stored, as far as is known."""
        self.sample: ClockSample | None = None

    def next_write(self) -> ConditionalPut:
        """Return a write that no item lets through, to see the item; then the one that frees it.

        So this needs no permission to read, and leaves no item where there was none.
        """
        if self.existing is not None:
            freed = decisions.released(self.existing, self._stamper.stamp())
            return ConditionalPut(freed, self.existing.version)
        nothing = decisions.claimed(self._partition_key, None, self._stamper.stamp(), Origin())
        return ConditionalPut(nothing, self._stamper.new_version())

    def on_reply(self, reply: Reply) -> None:
        """Take the reply: whatever is not done, or not done any more, ends it."""
        self.sample = reply.sample
        if isinstance(reply.result, StoreError):
            self.error, self.done = reply.result, True
            return
        self.existing = reply.result.existing
        self.done = self.existing is None or self.existing.state is not State.DONE
