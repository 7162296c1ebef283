"""cxone_idem inside AWS Lambda Powertools: its BatchProcessor, Logger and event classes.

`@once` sees to each event; the processor hands records over and reports those that raised. Two of
the processor's habits are changed here, as they would be alarms for nothing or worse:

* A batch of which every record failed raises `BatchProcessingError`, so that an event in progress
  elsewhere, alone in its batch, is an error of the function. `raise_on_entire_batch_failure=False`
  reports it like any other.
* On FIFO queues one failure fails all that follows, of every group. `skip_group_on_error=True`
  fails the rest of its own group only. That processor takes no `raise_on_entire_batch_failure`, so
  it is set afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent

from cxone_idem import Deduplicator, once

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="cxone-events")
# Else Lambda's text format drops the library's lines on duplicates, which are of level INFO.
copy_config_to_registered_loggers(logger, include={"cxone_idem"})
deduplicator = Deduplicator.from_environ()
standard = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
fifo = SqsFifoPartialProcessor(skip_group_on_error=True)
fifo.raise_on_entire_batch_failure = False


def process_event(event: EventBridgeEvent) -> None:
    """Do the work of one event; raising brings the event back."""
    logger.info("starting", extra={"conversation_id": event.detail["conversationId"]})


@once(deduplicator=deduplicator)
def process_once(envelope: dict[str, Any], lambda_context: LambdaContext) -> None:  # noqa: ARG001 -- `once` has the lease end with the invocation
    """Do the work of one event if nobody has done it; raise while another worker is at it."""
    process_event(EventBridgeEvent(envelope))


def record_handler(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Handle one message as BatchProcessor hands it over."""
    process_once(record.json_body, lambda_context)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Process each event of the batch once, however often it is delivered."""
    records = event["Records"]
    is_fifo = bool(records) and records[0]["eventSourceARN"].endswith(".fifo")
    return process_partial_response(
        event=event,
        record_handler=record_handler,
        processor=fifo if is_fifo else standard,
        context=context,
    )
