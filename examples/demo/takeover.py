"""Second scene: a worker is killed in the middle of its work, and another takes the event over."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from examples.demo import consumers, conversations, engine, ledger
from examples.demo.event_source import EventSource
from examples.demo.ledger import What
from examples.demo.workers import Crew, Job

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from rich.progress import Progress

    from examples.demo.ledger import Entry

_TABLE = "keys-of-the-killed"
# The queue offers the message this often; the claim decides when it is somebody else's turn.
_VISIBILITY_SECONDS = 1
# Long enough that the victim is surely still at work when it is killed.
_VICTIM_WORK_SECONDS = 60
_WORK_SECONDS = 0.04
_PATIENCE_SECONDS = 30


class Takeover(NamedTuple):
    """What became of the killed worker's event."""

    key: str
    pid: int
    generation_before: int
    generation_after: int
    state_after: str
    waited_seconds: float
    """From the kill to the start of the work in the other worker."""
    sent_back: int
    """Deliveries to the other worker that came while the dead one's lease ran."""
    effects: int


def run(
    endpoint: str, sqs: SQSClient, dynamodb: DynamoDBClient, folder: Path, progress: Progress
) -> Takeover:
    """Kill a worker at its work; return how the event fared."""
    queue = EventSource.create(sqs, "events-for-the-killed", _VISIBILITY_SECONDS)
    engine.create_table(dynamodb, _TABLE)
    envelope = conversations.start()
    key = conversations.key_of(envelope)
    job = Job(
        consumers.idempotent, endpoint, queue.url, _TABLE, folder / "victim", _VICTIM_WORK_SECONDS
    )
    task = progress.add_task("killed worker's lease", total=None)
    queue.send([envelope])
    with Crew(job, 1) as victim:
        _wait_for(What.STARTED, job.ledger, victim)
        victim.processes[0].kill()
        killed_at_seconds = time.time()
    generation_before, _ = _record(dynamodb, key)
    job = replace(job, ledger=folder / "rescuer", work_seconds=_WORK_SECONDS)
    with Crew(job, 1) as rescuer:
        started = _wait_for(What.STARTED, job.ledger, rescuer)
        _wait_for(What.EFFECT, job.ledger, rescuer)
    progress.update(task, total=1, completed=1)
    generation_after, state_after = _record(dynamodb, key)
    entries = ledger.read(folder / "victim") + ledger.read(folder / "rescuer")
    return Takeover(
        key=key,
        pid=victim.processes[0].pid or 0,
        generation_before=generation_before,
        generation_after=generation_after,
        state_after=state_after,
        waited_seconds=started.at_seconds - killed_at_seconds,
        sent_back=sum(e.what is What.DELIVERED for e in ledger.read(job.ledger)) - 1,
        effects=sum(e.what is What.EFFECT for e in entries),
    )


def _wait_for(what: What, folder: Path, crew: Crew) -> Entry:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        crew.check()
        for entry in ledger.read(folder):
            if entry.what is what:
                return entry
        time.sleep(0.01)
    message = f"no worker wrote {what.value!r} within {_PATIENCE_SECONDS} s"
    raise RuntimeError(message)


def _record(dynamodb: DynamoDBClient, key: str) -> tuple[int, str]:
    """Return generation and state of the record that stands for `key`."""
    answer = dynamodb.get_item(TableName=_TABLE, Key={"id": {"S": key}}, ConsistentRead=True)
    item = answer["Item"]
    return int(item["generation"]["N"]), item["state"]["S"]
