"""Errors of the SQS client, as the library's own."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cxone_idem.errors import QueueError
from cxone_idem.sqs.queue import SqsQueue, create_sqs_client, lambda_record, open_queue


def test_whatever_a_client_raises_is_a_queue_error() -> None:
    """Hooks run inside it, and may raise errors of their own."""

    class Client:
        def delete_message_batch(self, **_: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(QueueError) as caught:
        SqsQueue(Client(), "http://127.0.0.1/q").delete(["h"])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_missing_queue_names_the_region_that_was_asked() -> None:
    """It is the likeliest mistake."""
    client = create_sqs_client(attempts=1, answer_seconds=1)

    def absent(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "QueueDoesNotExist"}}, "GetQueueUrl")

    client.meta.events.register("before-call.sqs.GetQueueUrl", absent)
    with pytest.raises(QueueError, match=f"in region {client.meta.region_name} of this account"):
        open_queue(client, "events")


def test_a_received_message_looks_as_lambda_delivers_it() -> None:
    """Message attributes too: names in Lambda's case, bytes in base64."""
    received = {
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": "{}",
        "MessageAttributes": {
            "tenant": {"DataType": "String", "StringValue": "t1"},
            "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    }
    made = lambda_record(received, "arn")
    assert made["messageAttributes"] == {
        "tenant": {"dataType": "String", "stringValue": "t1"},
        "blob": {"dataType": "Binary", "binaryValue": "AP8="},
    }
    assert (made["attributes"], made["eventSourceARN"]) == ({}, "arn")
