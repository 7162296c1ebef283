"""Another scene: a worker is killed in the middle of its work, and another takes the event over."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cxone_idem import Config
from examples.demo import consumers, conversations, engine, ledger
from examples.demo.event_source import EventSource
from examples.demo.ledger import What
from examples.demo.workers import Crew, Job, crew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.demo.ledger import Entry
    from examples.demo.stage import Stage

# No Lambda context tells a deadline here, so this is how long a dead worker's key waits, and the
# library's margin.
LEASE_SECONDS = 2
_MAKE_HANDLER = partial(consumers.idempotent, config=Config(lease_seconds=LEASE_SECONDS))
# The queue offers the message this often; the claim decides when it is somebody else's turn.
_VISIBILITY_SECONDS = 1
# Long enough that the victim is surely still at work when it is killed.
_VICTIM_WORK_SECONDS = 60
_WORK_SECONDS = 0.04
_PATIENCE_SECONDS = 30
# An engine is asked no more often than this, so as not to slow what is waited for.
_LOOK_EVERY_SECONDS = 0.05


class Takeover(NamedTuple):
    """What became of the killed worker's event."""

    key: str
    killed_pid: int | None
    generation_before: int
    generation_after: int
    state_after: str
    waited_seconds: float
    """From the kill to the start of the work in the other worker."""
    sent_back: int
    """Deliveries to the other worker that came while the dead one's lease ran."""
    effects: int


@dataclass(frozen=True)
class Aftermath:
    """A worker has been killed, another one is there: it remains to wait for the lease's end."""

    stage: Stage
    key: str
    victim: Job
    killed_pid: int | None
    killed_at_seconds: float
    generation_before: int
    rescuer: Job
    crew: Crew

    def wait(self) -> Takeover:
        """Wait until the event is done; return how it fared."""
        started = _wait_for(What.STARTED, self.rescuer, self.crew)
        generation, state = _record(self.stage, self.rescuer.table, self.key)
        while state != "DONE":
            self.crew.check()
            time.sleep(_LOOK_EVERY_SECONDS)
            generation, state = _record(self.stage, self.rescuer.table, self.key)
        entries = ledger.read(self.rescuer.ledger)
        deliveries = sum(entry.what is What.DELIVERED for entry in entries)
        entries += ledger.read(self.victim.ledger)
        return Takeover(
            key=self.key,
            killed_pid=self.killed_pid,
            generation_before=self.generation_before,
            generation_after=generation,
            state_after=state,
            waited_seconds=started.at_seconds - self.killed_at_seconds,
            sent_back=deliveries - 1,
            effects=sum(entry.what is What.EFFECT for entry in entries),
        )


@contextmanager
def killed_worker(stage: Stage) -> Iterator[Aftermath]:
    """Kill a worker at its work, and keep another one at its queue until the block ends."""
    queue = EventSource.create(stage.sqs, "events-for-the-killed", _VISIBILITY_SECONDS)
    job = Job(
        _MAKE_HANDLER,
        stage.endpoint,
        queue.url,
        "keys-of-the-killed",
        stage.ledgers / "victim",
        _VICTIM_WORK_SECONDS,
    )
    engine.create_table(stage.dynamodb, job.table)
    envelope = conversations.start()
    key = conversations.key_of(envelope)
    queue.send([envelope])
    with crew(job, 1) as victims:
        _wait_for(What.STARTED, job, victims)
        victims.processes[0].kill()
        killed_at_seconds = time.time()
    generation, _ = _record(stage, job.table, key)
    rescuer = replace(job, ledger=stage.ledgers / "rescuer", work_seconds=_WORK_SECONDS)
    pid = victims.processes[0].pid
    with crew(rescuer, 1) as rescuers:
        yield Aftermath(stage, key, job, pid, killed_at_seconds, generation, rescuer, rescuers)


def _wait_for(what: What, job: Job, workers: Crew) -> Entry:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for entry in ledger.read(job.ledger):
            if entry.what is what:
                return entry
        workers.check()
        time.sleep(_LOOK_EVERY_SECONDS)
    message = f"no worker wrote {what.value!r} within {_PATIENCE_SECONDS} s"
    raise RuntimeError(message)


def _record(stage: Stage, table: str, key: str) -> tuple[int, str]:
    """Return generation and state of the record that stands for `key`."""
    answer = stage.dynamodb.get_item(TableName=table, Key={"id": {"S": key}}, ConsistentRead=True)
    item = answer["Item"]
    return int(item["generation"]["N"]), item["state"]["S"]
