"""One scene: both consumers get every event twice, the copies milliseconds apart."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from examples.demo import consumers, conversations, engine, ledger, tally
from examples.demo.event_source import BATCH_SIZE, EventSource
from examples.demo.workers import Crew, Job, crew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from examples.demo.consumers import MakeHandler
    from examples.demo.stage import Stage
    from examples.demo.tally import Tally

EVENTS = 200
COPIES = 2
WORKERS = 4
# What the API call of a real process_event takes.
_WORK_SECONDS = 0.04
# A batch takes 0.4 s; the rest is room for a busy machine, on which a message that comes back while
# it is being worked on would tell of the machine and not of the consumers.
_VISIBILITY_SECONDS = 3
# Ten events each time, about as fast as the workers can do all of them twice, as the naive ones do:
# no copy waits long behind others.
_SEND_EVERY_SECONDS = 0.2
_LOOK_EVERY_SECONDS = 0.4
_DRAIN_SECONDS = 60

NAIVE = "naive"
IDEMPOTENT = "cxone_idem"
_MAKE_HANDLER: dict[str, MakeHandler] = {NAIVE: consumers.naive, IDEMPOTENT: consumers.idempotent}


class Lane:
    """One consumer with a queue, a table, workers and a progress bar of its own."""

    def __init__(self, name: str, stage: Stage) -> None:
        self.name = name
        self._queue = EventSource.create(stage.sqs, f"events-for-{name}", _VISIBILITY_SECONDS)
        self.job = Job(
            _MAKE_HANDLER[name],
            stage.endpoint,
            self._queue.url,
            f"keys-of-{name}",
            stage.ledgers / name,
            _WORK_SECONDS,
        )
        engine.create_table(stage.dynamodb, self.job.table)
        self._progress = stage.progress
        self._bar = stage.progress.add_task(name, total=EVENTS * COPIES)
        self._sent = 0

    def send(self, envelopes: Sequence[dict[str, Any]]) -> None:
        """Send each event twice: two requests at once, so that no copy waits for the other's."""
        with ThreadPoolExecutor(COPIES) as senders:
            list(senders.map(self._queue.send, [envelopes] * COPIES))
        self._sent += len(envelopes) * COPIES

    def advance(self) -> bool:
        """Show how many messages are deleted; tell whether all that were sent are."""
        undeleted = self._queue.undeleted()
        self._progress.update(self._bar, completed=self._sent - undeleted)
        return not undeleted


def run(stage: Stage) -> dict[str, Tally]:
    """Run both consumers at once on the same events; return what each did."""
    lanes = [Lane(name, stage) for name in _MAKE_HANDLER]
    envelopes = [conversations.start() for _ in range(EVENTS)]
    with ExitStack() as stack:
        crews = [stack.enter_context(crew(lane.job, WORKERS)) for lane in lanes]
        _send(envelopes, lanes)
        _wait_until_drained(lanes, crews)
    keys = [conversations.key_of(envelope) for envelope in envelopes]
    return {lane.name: tally.count(keys, ledger.read(lane.job.ledger)) for lane in lanes}


def _send(envelopes: Sequence[dict[str, Any]], lanes: Sequence[Lane]) -> None:
    started = time.monotonic()
    for number, first in enumerate(range(0, len(envelopes), BATCH_SIZE)):
        time.sleep(max(0, started + number * _SEND_EVERY_SECONDS - time.monotonic()))
        for lane in lanes:
            lane.send(envelopes[first : first + BATCH_SIZE])
            lane.advance()


def _wait_until_drained(lanes: Sequence[Lane], crews: Sequence[Crew]) -> None:
    deadline = time.monotonic() + _DRAIN_SECONDS
    while not all([lane.advance() for lane in lanes]):  # noqa: C419 -- every bar is to advance
        for workers in crews:
            workers.check()
        if time.monotonic() > deadline:
            message = f"the queues were not empty after {_DRAIN_SECONDS} s"
            raise RuntimeError(message)
        time.sleep(_LOOK_EVERY_SECONDS)
