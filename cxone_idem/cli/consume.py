"""`cxone-idem consume`: serve a queue from a container or a server."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType

import click

from cxone_idem.cli.functions import decode_option, imported
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.setting import variable
from cxone_idem.sqs.consumer import POLLERS_MAX, Consumer, ServedQueue
from cxone_idem.sqs.decoding import Decode
from cxone_idem.sqs.queue import ENTRIES_MAX


@click.command()
@click.option("--queue", required=True, metavar="NAME|URL", help="The SQS queue to serve.")
@click.option(
    "--handler", required=True, metavar="MODULE:FUNCTION", help="What does the work of one event."
)
@decode_option
@click.option(
    "--batch-size",
    type=click.IntRange(1, ENTRIES_MAX),
    default=ENTRIES_MAX,
    show_default=True,
    help="Messages received at a time; fewer if each takes long, so that none waits here.",
)
@click.option(
    "--pollers",
    type=click.IntRange(1, POLLERS_MAX),
    default=1,
    show_default=True,
    help="Threads that each receive a batch and run it; the handler must be thread-safe.",
)
def consume(queue: str, handler: str, decode: Decode | None, batch_size: int, pollers: int) -> None:
    """Run a handler once per key for the messages of a queue, until SIGTERM.

    On SIGTERM or Ctrl-C the running handler finishes, and what was not started goes back to the
    queue. A second one ends the process at once: its leases then end by themselves.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    # At INFO the SDK says where it found credentials, before the first line of this library.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    process_event = imported(handler, "--handler")
    # The consumer changes visibility on its own queue; done twice, it would be done for nothing.
    environ = {**os.environ, variable("align_visibility"): "false"}
    deduplicator = Deduplicator.from_environ(environ, decode=decode)
    consumer = Consumer(deduplicator, ServedQueue.of(queue, batch_size, pollers), process_event)

    def stop(number: int, _: FrameType | None) -> None:
        if consumer.service.stopping:
            # Not the default action, which the first process of a container does not have.
            os._exit(128 + number)
        consumer.service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    consumer.run()
