"""A queue: it loses nothing, and keeps messages no longer than the records are kept."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from cxone_idem.doctor.account import Account, fact
from cxone_idem.doctor.check import Facts, UnreadError, last_name, wrong

if TYPE_CHECKING:
    from cxone_idem.config import Config


def read_queue(account: Account, name: str, config: Config | UnreadError) -> Facts:
    """Read a queue by its name, URL or ARN, for a consumer with these settings."""
    attributes = _attributes(account, name)
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    letters_arn = redrive.get("deadLetterTargetArn", "")
    letters = fact(lambda: _attributes(account, letters_arn)) if letters_arn else {}
    gone = isinstance(letters, UnreadError) and letters.absent
    return Facts(
        subject=f"queue {last_name(attributes['QueueArn'])}",
        arn=attributes["QueueArn"],
        visible=int(attributes["VisibilityTimeout"]),
        receives=int(redrive.get("maxReceiveCount", 0)) if letters_arn else "unlimited",
        dead_letters=(last_name(letters_arn) or "none") + ", which does not exist" * gone,
        dead_letters_gone=gone,
        kept=_kept(attributes),
        dead_letters_kept=letters if isinstance(letters, UnreadError) else _kept(letters),
        records=config
        if isinstance(config, UnreadError)
        else timedelta(seconds=config.retention_seconds),
    )


def _kept(attributes: dict[str, str]) -> timedelta:
    return timedelta(seconds=int(attributes.get("MessageRetentionPeriod", 0)))


def _attributes(account: Account, name: str) -> dict[str, str]:
    url = name
    if not name.startswith(("http://", "https://")):
        *_, owner, short = ["", *name.split(":")]
        of = {"QueueOwnerAWSAccountId": owner} if owner else {}
        url = account.ask("sqs", "get_queue_url", QueueName=short, **of)["QueueUrl"]
    answer = account.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    attributes: dict[str, str] = answer["Attributes"]
    return attributes


# "Creating and configuring an SQS event source mapping": maxReceiveCount is at least 5, so that
# throttled or briefly failing messages do not end in the dead-letter queue.
QUEUE_CHECKS = (
    wrong(
        "dead-letter-queue",
        lambda queue: queue.dead_letters == "none",
        "its dead-letter queue: {dead_letters}",
        "a message that cannot be processed comes back until the queue's retention ends, and is"
        " then lost",
        "give it a redrive policy with maxReceiveCount 5 or more",
    ),
    wrong(
        "dead-letter-queue",
        lambda queue: queue.dead_letters_gone,
        "its dead-letter queue: {dead_letters}",
        "messages that fail too often are lost or come back for ever",
        "create it, or name another in the redrive policy",
    ),
    wrong(
        "receive-count",
        lambda queue: queue.receives in range(5),
        "maxReceiveCount is {receives}; expected 5 or more",
        "a key in progress elsewhere, throttling or a short outage uses receives up, and sends good"
        " messages to the dead-letter queue",
        "set maxReceiveCount to 5 or more",
    ),
    wrong(
        "retention",
        lambda queue: queue.kept + queue.dead_letters_kept > queue.records,
        "queue {kept}, dead-letter queue {dead_letters_kept}; records {records}",
        "a copy that is redriven late comes after its record counts as absent, and is done again",
        "set CXONE_IDEM_RETENTION_SECONDS to the queues' retention or more, or shorten theirs",
    ),
)
