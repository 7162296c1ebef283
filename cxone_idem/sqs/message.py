"""One SQS message as Lambda delivers it: its id, its group, its event and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

from cxone_idem.claims.invocation import Invocation
from cxone_idem.errors import IdemError
from cxone_idem.record import Origin
from cxone_idem.text import kind_of, origin_text, quoted

# Beyond any count or epoch time there is, and well within the 38 digits of a DynamoDB number: a
# longer one would make DynamoDB refuse the claim.
_NUMBER_MAX = 2**53

_ADVICE = "process_batch serves SQS only, by event source mapping or EventBridge Pipes"
_SNS_ADVICE = (
    "SNS takes no partial failures; subscribe an SQS queue to the topic and let that invoke the"
    " function (decode=cxone_idem.sns.decode unwraps what SNS wraps), or"
    " call an @once function for each record's Sns.Message"
)


class Message(NamedTuple):
    """A message of a batch."""

    id: str
    """Its SQS message id."""
    body: Any
    """Its body, as text: the event, unless a `decode` makes the event of it."""
    group: str | None
    """Its message group, if the queue is FIFO. Fair standard queues carry group ids too, but
    promise no order, so only the queue's ARN decides ("Using fair queues", SQS Developer Guide)."""
    attributes: Mapping[str, Any]
    """The attributes that SQS adds, such as `["SentTimestamp"]`."""
    receipt_handle: str
    """SQS's name of this one receive; empty if it did not come along."""
    queue_arn: str
    """The queue it came from; empty if that did not come along."""
    record: Mapping[str, Any]
    """All of it, as Lambda delivered it."""

    @property
    def receive_count(self) -> int | None:
        """The number of its receives so far, this one included; None if that did not come along."""
        return _number(self.attributes.get("ApproximateReceiveCount"))

    @property
    def message_attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """The attributes its sender added, such as `["tenant"]["stringValue"]`."""
        found: object = self.record.get("messageAttributes")
        return found if isinstance(found, dict) else {}

    def origin(self, envelope: Mapping[str, Any], invocation: Invocation) -> Origin:
        """Return whose delivery this is. It decides nothing, so what is odd is left out."""
        return Origin(
            event_id=origin_text(envelope.get("id")),
            message_id=origin_text(self.id),
            receive_count=self.receive_count,
            sent_at_ms=_number(self.attributes.get("SentTimestamp")),
            replay_name=origin_text(envelope.get("replay-name")),
            request_id=origin_text(invocation.request_id),
        )


RUNNING: ContextVar[Message] = ContextVar("cxone_idem_current_message")


def current_message() -> Message:
    """Return the SQS message whose `process_event` is running, or has called this function.

    Raises `IdemError` if none is (retrying never helps). A thread that `process_event` started is
    not here, so pass it the message.
    """
    try:
        return RUNNING.get()
    except LookupError:
        message = (
            "no process_event of a batch is running in this thread or task, so there is no current"
            " message; retrying does not help: call current_message() in process_event itself, and"
            " pass the message to the threads it starts"
        )
        raise IdemError(message) from None


def read_batch(event: Any) -> list[Message]:
    """Return the messages of a Lambda event from SQS, or of the array that EventBridge Pipes sends.

    Raises `IdemError` if it is none, or if a message could not be reported as failed for want of
    an id: the invocation must fail, or Lambda would delete what was not done.
    """
    if isinstance(event, list) and event:
        return [_read_record(record, f"event[{number}]") for number, record in enumerate(event)]
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        message = (
            "this is not an event from SQS: expected an object with a list 'Records', or a list of"
            f" SQS records, got {_kind(event)}; retrying does not help: for EventBridge to Lambda"
            " without a queue use @once, or claim(key) and complete(key)"
        )
        raise IdemError(message)
    return [_read_record(record, f"Records[{number}]") for number, record in enumerate(records)]


def _read_record(record: Any, where: str) -> Message:
    source = _source(record)
    if not isinstance(record, dict) or source not in {None, "aws:sqs"}:
        message = (
            f"{where} is not an SQS message but {_kind(record)}; retrying does not help:"
            f" {_SNS_ADVICE if source == 'aws:sns' else _ADVICE}"
        )
        raise IdemError(message)
    message_id = record.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        message = (
            f"{where} has no messageId, so it could not be reported as failed; retrying does not"
            " help: pass the event as Lambda or EventBridge Pipes delivered it"
        )
        raise IdemError(message)
    attributes = record.get("attributes")
    if not isinstance(attributes, dict):
        attributes = {}
    queue_arn = _text(record.get("eventSourceARN"))
    return Message(
        id=message_id,
        body=record.get("body"),
        group=_group(queue_arn, attributes),
        attributes=attributes,
        receipt_handle=_text(record.get("receiptHandle")),
        queue_arn=queue_arn,
        record=record,
    )


def _source(record: Any) -> object:
    """Return which service a record says it is from; SNS spells the name differently."""
    if not isinstance(record, dict):
        return None
    source = record.get("eventSource", record.get("EventSource"))
    return source if isinstance(source, str) or source is None else type(source).__name__


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _group(queue_arn: str, attributes: Mapping[str, Any]) -> str | None:
    if not queue_arn.endswith(".fifo"):
        return None
    group = attributes.get("MessageGroupId")
    # Messages of no legible group share one: order is then kept too strictly, never too loosely.
    return group if isinstance(group, str) else ""


def _kind(value: Any) -> str:
    """Describe a value by its shape; its content may be a payload and is not shown."""
    if isinstance(value, dict):
        source = _source(value)
        if isinstance(source, str):
            return f"a record of {quoted(source)}"
        return "an object without 'Records'" if "Records" not in value else "odd 'Records'"
    return kind_of(value)


def _number(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= _NUMBER_MAX else None
