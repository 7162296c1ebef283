"""The public kit's builders, under the short names of the tests."""

from cxone_idem.testing.events import QUEUE_ARN
from cxone_idem.testing.events import FakeContext as Context
from cxone_idem.testing.events import eventbridge_event as envelope
from cxone_idem.testing.events import failed_ids as failed
from cxone_idem.testing.events import sqs_event as batch
from cxone_idem.testing.events import sqs_event_of as batch_of
from cxone_idem.testing.events import sqs_record as record

__all__ = ["QUEUE_ARN", "Context", "batch", "batch_of", "envelope", "failed", "record"]
