"""`cxone-idem consume`: serve a queue from a container or a server."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

import click

from cxone_idem.deduplicator import Deduplicator
from cxone_idem.events.handler import handler_mistake
from cxone_idem.setting import variable
from cxone_idem.sqs.consumer import Consumer, ServedQueue
from cxone_idem.sqs.queue import ENTRIES_MAX


@click.command()
@click.option("--queue", required=True, metavar="NAME|URL", help="The SQS queue to serve.")
@click.option(
    "--handler", required=True, metavar="MODULE:FUNCTION", help="What does the work of one event."
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, ENTRIES_MAX),
    default=ENTRIES_MAX,
    show_default=True,
    help="Messages received at a time; fewer if each takes long, so that none waits here.",
)
def consume(queue: str, handler: str, batch_size: int) -> None:
    """Run a handler once per key for the messages of a queue, until SIGTERM.

    On SIGTERM or Ctrl-C the running handler finishes, and what was not started goes back to the
    queue. A second one ends the process at once: its leases then end by themselves.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    # At INFO the SDK says where it found credentials, before the first line of this library.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    process_event = _import(handler)
    # The consumer changes visibility on its own queue; done twice, it would be done for nothing.
    environ = {**os.environ, variable("align_visibility"): "false"}
    deduplicator = Deduplicator.from_environ(environ)
    consumer = Consumer(deduplicator, ServedQueue.of(queue, batch_size), process_event)

    def stop(number: int, _: FrameType | None) -> None:
        if consumer.service.stopping:
            # Not the default action, which the first process of a container does not have.
            os._exit(128 + number)
        consumer.service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    consumer.run()


def _import(handler: str) -> Callable[[dict[str, Any]], object]:
    module, _, function = handler.partition(":")
    # The console script, unlike `python -m`, does not look in the directory it is started from.
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Callable[[dict[str, Any]], object] = getattr(import_module(module), function)
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        message = f"{handler!r} is not a function to import, such as app.events:process ({reason})"
        raise click.BadParameter(message, param_hint="--handler") from error
    mistake = "it is a class" if inspect.isclass(found) else handler_mistake(found)
    if mistake:
        message = f"{handler!r} is not a function of an event: {mistake}"
        raise click.BadParameter(message, param_hint="--handler")
    return found
