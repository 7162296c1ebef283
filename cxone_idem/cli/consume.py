"""`cxone-idem consume`: serve a queue from a container or a server."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType

import click

from cxone_idem.cli.functions import decode_option, imported
from cxone_idem.cli.options import mention_no_namespace, on_records
from cxone_idem.cli.output import Exit
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.setting import variable
from cxone_idem.sqs.consumer import POLLERS_MAX, Consumer, ServedQueue, Service
from cxone_idem.sqs.decoding import Decode
from cxone_idem.sqs.queue import ENTRIES_MAX


@click.command()
@click.option("--queue", required=True, metavar="NAME|URL", help="The SQS queue to serve.")
@click.option(
    "--handler", required=True, metavar="MODULE:FUNCTION", help="Does the work of one event."
)
@decode_option
@click.option(
    "--batch-size",
    metavar="N",
    type=click.IntRange(1, ENTRIES_MAX),
    default=ENTRIES_MAX,
    show_default=True,
    help="Messages at a time.",
)
@click.option(
    "--pollers",
    metavar="N",
    type=click.IntRange(1, POLLERS_MAX),
    default=1,
    show_default=True,
    help="Batches at a time.",
)
@on_records
def consume(queue: str, handler: str, decode: Decode | None, batch_size: int, pollers: int) -> None:
    """Run a handler once per key for a queue, until SIGTERM.

    On SIGTERM or Ctrl-C the running handler finishes, and what was not started goes back to the
    queue. A second one ends the process at once: its leases then end by themselves. With
    several pollers the handler must be thread-safe.
    """
    service = Service()
    _stop_on_signals(service)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    # At INFO the SDK says where it found credentials, before the first line of this library.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    process_event = imported(handler, "--handler")
    _stop_on_signals(service)  # whatever that module has set
    # The consumer changes visibility on its own queue; done twice, it would be done for nothing.
    environ = {**os.environ, variable("align_visibility"): "false"}
    deduplicator = Deduplicator.from_environ(environ, decode=decode)
    mention_no_namespace(deduplicator.config)
    served = ServedQueue.of(queue, batch_size, pollers)
    consumer = Consumer(deduplicator, served, process_event)
    consumer.service = service
    consumer.run()


def _stop_on_signals(service: Service) -> None:
    def stop(number: int, _: FrameType | None) -> None:
        # Not the default action, which the first process of a container does not have. Nor an
        # exception, which a request that hangs might take for its own.
        if service.stopping:
            os._exit(128 + number)
        service.stop()
        if not service.serving:
            os._exit(Exit.OK)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
