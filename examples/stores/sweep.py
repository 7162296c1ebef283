"""A Lambda function on a schedule that does what TTL does, where there is none.

A global table with strong consistency (MRSC) has no TTL. Expired records count as absent there as
elsewhere, but they stay and cost storage until something deletes them. Once a day is often enough;
in one Region, as the deletions reach the others. Its role needs `dynamodb:Scan` and
`dynamodb:DeleteItem` on the table (the consumer's needs neither), and a scan reads all of it.
"""

from __future__ import annotations

import time
from typing import Any

import boto3

from cxone_idem import Config

# Made while Lambda initialises the function.
config = Config.from_environ()
client = boto3.client("dynamodb")


def handler(event: Any, context: Any) -> int:  # noqa: ARG001 -- Lambda's shape
    """Delete what has expired; return how many records that were."""
    expired: dict[str, Any] = {
        "ExpressionAttributeNames": {"#expires_at": config.ttl_attribute},
        "ExpressionAttributeValues": {":now": {"N": str(int(time.time()))}},
    }
    names = {**expired["ExpressionAttributeNames"], "#key": config.partition_key}
    pages = client.get_paginator("scan").paginate(
        TableName=config.table,
        ProjectionExpression="#key",
        FilterExpression="#expires_at < :now",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=expired["ExpressionAttributeValues"],
    )
    deleted = 0
    for page in pages:
        for key in page["Items"]:
            try:
                client.delete_item(
                    TableName=config.table,
                    Key=key,
                    ConditionExpression="#expires_at < :now",
                    **expired,
                )
                deleted += 1
            except client.exceptions.ConditionalCheckFailedException:
                pass  # claimed again since the scan saw it
    return deleted
