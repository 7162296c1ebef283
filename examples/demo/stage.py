"""What both scenes play on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from rich.progress import Progress


class Stage(NamedTuple):
    """The engine, this process's clients of it, and where workers and people are told things."""

    endpoint: str
    sqs: SQSClient
    dynamodb: DynamoDBClient
    ledgers: Path
    """A folder; each crew has a folder in it."""
    progress: Progress
