"""Reading a record, for people who look at it: no decision of the claim protocol reads anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from cxone_idem.dynamodb_answer import Source, date_seconds, from_response, from_sdk, read_item
from cxone_idem.dynamodb_request import create_client
from cxone_idem.item import Layout

if TYPE_CHECKING:
    from cxone_idem.config import Config
    from cxone_idem.record import Record

_OPERATION = "GetItem"


class Look(NamedTuple):
    """What stood in the table, and the store's own time when it was read."""

    record: Record | None
    date_seconds: int | None
    """Epoch seconds of the store's clock, cut to whole ones; None if it tells none."""


class RecordReader:
    """Looks at the records of one table. Needs `dynamodb:GetItem` on it, which consumers do not."""

    def __init__(self, config: Config, client: Any = None) -> None:
        self._table = config.table
        self._layout = Layout(config.partition_key, config.ttl_attribute)
        self._client = create_client() if client is None else client

    def look(self, partition_key: str) -> Look:
        """Return the record at a partition key by a consistent read: all writes so far are in it.

        Raises `StoreError` if the store cannot say, or if the item is not a record.
        """
        try:
            response = self._client.get_item(
                TableName=self._table,
                Key={self._layout.partition_key: {"S": partition_key}},
                ConsistentRead=True,
            )
        except ClientError as error:
            raise from_response(error, self._table, _OPERATION) from error
        except BotoCoreError as error:
            raise from_sdk(error, self._table, _OPERATION) from error
        record = read_item(
            response.get("Item"), partition_key, Source(self._table, self._layout, _OPERATION)
        )
        return Look(record, date_seconds(response))
