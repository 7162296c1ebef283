"""A store in memory that is as strict about items as DynamoDB is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem import MemoryStore
from cxone_idem.stores.dynamodb_item import Layout

if TYPE_CHECKING:
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

# "Supported data types and naming rules", DynamoDB Developer Guide.
DYNAMODB_DIGITS = 38


class StrictStore(MemoryStore):
    """A store in memory that takes only what DynamoDB would take as an item."""

    def __init__(self, layout: Layout | None = None) -> None:
        super().__init__()
        self._layout = layout or Layout()

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        item = self._layout.to_item(record)
        _check_storable(item)
        assert self._layout.to_record(item) == record
        return super().put_if(record, expected_version)


def _check_storable(members: dict[str, Any]) -> None:
    for name, typed in members.items():
        name.encode()
        if "M" in typed:
            _check_storable(typed["M"])
        elif "N" in typed:
            assert len(typed["N"].lstrip("-")) <= DYNAMODB_DIGITS
        else:
            typed["S"].encode()
