"""One SQS queue, at the AWS SDK: messages in, deletions and visibility out, in tens."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from cxone_idem.errors import QueueError
from cxone_idem.stores.aws_client import new_client
from cxone_idem.text import legible, region_of

ENTRIES_MAX = 10
"""As many entries as a batch request takes, and messages a receive brings (SQS API Reference)."""

# Within a region both take milliseconds; half a second later the request or its answer is lost.
_CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 0.5
"""The time to wait for an answer where a deadline is near."""
REQUEST_MAX_SECONDS = _CONNECT_SECONDS + ANSWER_SECONDS
"""The time that one attempt can take then."""

_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "InvalidClientTokenId"})
_ABSENT = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})
_SERVER_ERROR_STATUS = 500


def create_sqs_client(*, attempts: int, answer_seconds: float) -> Any:
    """Create an SQS client that waits `answer_seconds` for an answer, and tries so many times."""
    config = ClientConfig(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=answer_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    return new_client("sqs", config)


def open_queue(client: Any, name_or_url: str) -> SqsQueue:
    """Return a queue by its URL, or by its name in the account and region of `client`.

    Raises `QueueError` if there is none of that name.
    """
    if "://" in name_or_url:
        return SqsQueue(client, name_or_url)
    try:
        return SqsQueue(client, client.get_queue_url(QueueName=name_or_url)["QueueUrl"])
    except (BotoCoreError, ClientError) as error:
        raise _failure(error, name_or_url, "get_queue_url", client) from error


def url_of(client: Any, arn: str) -> str:
    """Return the URL of a queue at a client's endpoint, without asking GetQueueUrl.

    It is endpoint, account and name ("Queue and message identifiers", SQS Developer Guide).
    """
    account, name = arn.split(":")[4:6]
    return f"{client.meta.endpoint_url.rstrip('/')}/{account}/{name}"


class VisibilityChange(NamedTuple):
    """A message's receipt handle, and the seconds from now until it is visible again."""

    receipt_handle: str
    seconds: int


class SqsQueue:
    """A queue by its URL. Every method raises `QueueError` if SQS refuses or cannot be reached."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self.url = url

    def arn(self) -> str:
        """Return the queue's ARN."""
        answer = self._call("get_queue_attributes", AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def receive(
        self, *, most: int, wait_seconds: int, visibility_seconds: int
    ) -> list[dict[str, Any]]:
        """Wait for messages and hide them; return up to `most` of them with all attributes."""
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=visibility_seconds,
            # By its older name, which botocore knew already when Lambda's Python 3.10 came out.
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [*answer.get("Messages", ())]

    def send(self, received: dict[str, Any], deduplication_id: str) -> str:
        """Send a message that was received elsewhere; return its new id.

        Attributes, trace and group go with it; a FIFO queue is given `deduplication_id`.
        """
        attributes = received.get("Attributes", {})
        trace = attributes.get("AWSTraceHeader")
        parameters = {
            "MessageAttributes": received.get("MessageAttributes"),
            "MessageSystemAttributes": trace
            and {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}},
            "MessageGroupId": attributes.get("MessageGroupId"),
            "MessageDeduplicationId": self.url.endswith(".fifo") and deduplication_id,
        }
        given = {name: value for name, value in parameters.items() if value}
        return str(self._call("send_message", MessageBody=received["Body"], **given)["MessageId"])

    def neighbour(self, arn: str) -> SqsQueue:
        """Return another queue at the same endpoint."""
        return SqsQueue(self._client, url_of(self._client, arn))

    def delete(self, handles: Sequence[str]) -> dict[str, str]:
        """Delete messages; return why not, by receipt handle."""
        entries = [{"ReceiptHandle": handle} for handle in handles]
        return self._in_tens("delete_message_batch", entries)

    def change_visibility(self, changes: Sequence[VisibilityChange]) -> dict[str, str]:
        """Hide messages for so many seconds from now; return why not, by receipt handle."""
        entries = [
            {"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle, seconds in changes
        ]
        return self._in_tens("change_message_visibility_batch", entries)

    def _in_tens(self, operation: str, entries: Sequence[dict[str, Any]]) -> dict[str, str]:
        refused: dict[str, str] = {}
        for chunk in tens(entries):
            numbered = [{"Id": str(number), **entry} for number, entry in enumerate(chunk)]
            answer = self._call(operation, Entries=numbered)
            for failure in answer.get("Failed", ()):
                handle = chunk[int(failure["Id"])]["ReceiptHandle"]
                refused[handle] = f"{failure.get('Code')}: {legible(failure.get('Message', ''))}"
        return refused

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            return getattr(self._client, operation)(QueueUrl=self.url, **parameters)
        except Exception as error:  # a hook of the client's may raise anything
            raise _failure(error, self.url, operation, self._client) from error


def lambda_record(received: dict[str, Any], arn: str) -> dict[str, Any]:
    """Return a received message as Lambda would deliver it, as far as anyone reads it here."""
    sent = received.get("MessageAttributes", {})
    return {
        "messageId": received["MessageId"],
        "receiptHandle": received["ReceiptHandle"],
        "body": received["Body"],
        "attributes": received.get("Attributes", {}),
        "messageAttributes": {name: _as_lambda_has(value) for name, value in sent.items()},
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
    }


def _as_lambda_has(attribute: dict[str, Any]) -> dict[str, Any]:
    return {
        name[0].lower() + name[1:]: b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in attribute.items()
    }


def tens(entries: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield as many entries at a time as one request takes."""
    for start in range(0, len(entries), ENTRIES_MAX):
        yield entries[start : start + ENTRIES_MAX]


def _failure(error: Exception, queue: str, method: str, client: Any) -> QueueError:
    operation = method.title().replace("_", "")
    if not isinstance(error, ClientError):
        problem = (
            f"SQS could not be asked ({error}); retrying helps once it can: check credentials, the"
            " region, AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_SQS, the VPC endpoint and the security"
            " group"
        )
        return QueueError(problem, queue, operation)
    code = error.response["Error"].get("Code", "")
    said = legible(error.response["Error"].get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    problem = f"SQS rejected the request ({said}); retrying does not help"
    if code in _ABSENT:
        problem = (
            f"there is no such queue in region {region_of(client)} of this account; retrying does"
            " not help: set AWS_REGION to the region of the queue, or check its name or URL"
        )
    elif code in _FORBIDDEN:
        problem = (
            f"AWS refused the caller ({said}); retrying does not help: allow"
            f" sqs:{operation.removesuffix('Batch')} on the queue to the role"
        )
    elif status >= _SERVER_ERROR_STATUS or "Throttl" in code:
        problem = f"SQS failed ({said}); retrying helps"
    return QueueError(problem, queue, operation, code)
