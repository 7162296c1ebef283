"""A store in memory whose transactions a test commits."""

from __future__ import annotations

from cxone_idem import MemoryStore
from cxone_idem.protocol.store import ConditionalPut
from tests.support.failing_store import FailingStore


class TransactingStore(FailingStore):
    """A store in memory whose transactions a test commits, by the one write that is in them."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())

    def transaction_item(self, write: ConditionalPut) -> ConditionalPut:
        return write
