"""Clients of the stand-in, and a table on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig

from examples.local_stack import CREDENTIALS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_SETTINGS: dict[str, Any] = {
    "region_name": CREDENTIALS["AWS_REGION"],
    "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    # No proxies: the engine is on loopback, whatever HTTP_PROXY says. 10 s: an engine on a busy
    # machine may take seconds, and an answer given up on would be counted as two requests.
    "config": ClientConfig(proxies={}, connect_timeout=10, read_timeout=10),
}

# It keeps the service models it has loaded, also for the processes forked from this one.
_session = boto3.Session()


def dynamodb(endpoint: str) -> DynamoDBClient:
    """Return a DynamoDB client for the engine at `endpoint`."""
    client: DynamoDBClient = _session.client("dynamodb", endpoint_url=endpoint, **_SETTINGS)
    return client


def sqs(endpoint: str) -> SQSClient:
    """Return an SQS client for the engine at `endpoint`."""
    client: SQSClient = _session.client("sqs", endpoint_url=endpoint, **_SETTINGS)
    return client


def create_table(client: DynamoDBClient, name: str) -> None:
    """Create a table with the partition key `id`, which suits both consumers."""
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
