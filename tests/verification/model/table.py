"""The table that all workers share: a MemoryStore that tells the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem import MemoryStore
from cxone_idem.protocol.store import PutResult
from tests.verification.model.process import ON_A_CONDITION, Request, Verb

if TYPE_CHECKING:
    from cxone_idem.record import Record


class Table(MemoryStore):
    """A MemoryStore set to what stands at one moment, with the verbs that broken clients use."""

    def __init__(self, standing: Record | None) -> None:
        super().__init__()
        if standing is not None:
            self._records[standing.partition_key] = standing

    def carry_out(self, request: Request) -> PutResult:
        """Do what is asked, in one atomic step."""
        where = request.record.partition_key
        if request.verb in ON_A_CONDITION:
            return self.put_if(request.record, request.expected_version)
        if request.verb is Verb.READ:
            return PutResult(written=False, existing=self._records.get(where))
        if request.verb is Verb.EFFECT:
            return PutResult(written=True)
        if request.verb is Verb.CLAIM_IF_LAPSED:
            seen = self._records.get(where)
            # The client's clock, as it puts it into the condition.
            lapsed = seen is None or seen.lease_until_ms <= (request.record.claimed_at_ms or 0)
            return self.put_if(request.record, seen.version if seen and lapsed else None)
        self._records.pop(where, None)
        if request.verb in {Verb.PUT, Verb.TRANSACT_ANYWAY}:
            self._records[where] = request.record
        return PutResult(written=True)

    def standing(self, request: Request) -> Record | None:
        """Return what stands where a request went."""
        return self._records.get(request.record.partition_key)


def carry_out(
    standing: Record | None, request: Request, date_seconds: int | None
) -> tuple[Record | None, PutResult]:
    """Return what stands after a request, and the answer to it."""
    table = Table(standing)
    answer = table.carry_out(request)
    return table.standing(request), answer._replace(date_seconds=date_seconds)
