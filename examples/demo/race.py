"""First scene: both consumers get every event twice, the copies milliseconds apart."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from examples.demo import consumers, conversations, engine, ledger, tally
from examples.demo.event_source import BATCH_SIZE, EventSource
from examples.demo.workers import Crew, Job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from rich.progress import Progress

    from examples.demo.consumers import MakeHandler
    from examples.demo.tally import Tally

EVENTS = 300
COPIES = 2
_WORKERS = 5
# What the API call of a real process_event takes.
_WORK_SECONDS = 0.04
# A batch takes 0.4 s; the rest is room for a busy machine, on which a message that comes back while
# it is being worked on would tell of the machine and not of the consumers.
_VISIBILITY_SECONDS = 3
# Ten events each time, about as fast as five workers can do all of them twice, as the naive ones
# do: no copy waits long behind others.
_SEND_EVERY_SECONDS = 0.17
_DRAIN_SECONDS = 60

NAIVE = "naive"
IDEMPOTENT = "cxone_idem"
CONSUMERS: dict[str, MakeHandler] = {NAIVE: consumers.naive, IDEMPOTENT: consumers.idempotent}


class Lane:
    """One consumer with a queue, a table and workers of its own."""

    def __init__(
        self, name: str, sqs: SQSClient, dynamodb: DynamoDBClient, endpoint: str, folder: Path
    ) -> None:
        self.name = name
        self.queue = EventSource.create(sqs, f"events-for-{name}", _VISIBILITY_SECONDS)
        self._ledger = folder / name
        table = f"keys-of-{name}"
        engine.create_table(dynamodb, table)
        job = Job(CONSUMERS[name], endpoint, self.queue.url, table, self._ledger, _WORK_SECONDS)
        self.crew = Crew(job, _WORKERS)

    def tally(self, keys: Sequence[str]) -> Tally:
        """Count what this lane's workers did."""
        return tally.count(keys, ledger.read(self._ledger))


def run(
    endpoint: str, sqs: SQSClient, dynamodb: DynamoDBClient, folder: Path, progress: Progress
) -> dict[str, Tally]:
    """Run both consumers at once on the same events; return what each did."""
    lanes = [Lane(name, sqs, dynamodb, endpoint, folder) for name in CONSUMERS]
    envelopes = [conversations.start() for _ in range(EVENTS)]
    bars = [_Bar(lane, progress) for lane in lanes]
    with ExitStack() as crews:
        for lane in lanes:
            crews.enter_context(lane.crew)
        _send(envelopes, bars)
        _wait_until_drained(bars)
    keys = [conversations.key_of(envelope) for envelope in envelopes]
    return {lane.name: lane.tally(keys) for lane in lanes}


class _Bar:
    """A lane's progress: messages deleted of messages sent."""

    def __init__(self, lane: Lane, progress: Progress) -> None:
        self.lane = lane
        self._progress = progress
        self._sent = 0
        self._task = progress.add_task(lane.name, total=EVENTS * COPIES)

    def send(self, envelopes: Sequence[dict[str, Any]]) -> None:
        self.lane.queue.send(envelopes)
        self._sent += len(envelopes)

    def advance(self) -> int:
        """Show where the lane stands; return how many messages are not deleted yet."""
        undeleted = self.lane.queue.undeleted()
        self._progress.update(self._task, completed=self._sent - undeleted)
        return undeleted


def _send(envelopes: Sequence[dict[str, Any]], bars: Sequence[_Bar]) -> None:
    started = time.monotonic()
    for number, first in enumerate(range(0, len(envelopes), BATCH_SIZE)):
        time.sleep(max(0, started + number * _SEND_EVERY_SECONDS - time.monotonic()))
        block = envelopes[first : first + BATCH_SIZE]
        for bar in bars:
            for _ in range(COPIES):
                bar.send(block)
            bar.advance()


def _wait_until_drained(bars: Sequence[_Bar]) -> None:
    deadline = time.monotonic() + _DRAIN_SECONDS
    while any([bar.advance() for bar in bars]):  # noqa: C419 -- every bar is to advance
        for bar in bars:
            bar.lane.crew.check()
        if time.monotonic() > deadline:
            message = f"the queues were not empty after {_DRAIN_SECONDS} s"
            raise RuntimeError(message)
        time.sleep(0.1)
