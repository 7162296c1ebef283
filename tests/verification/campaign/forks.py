"""A worker that forks once its connection is open: its two children serve half of a batch each."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING, Any

from tests.support import events
from tests.verification.campaign.effects import Effects

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from tests.verification.campaign.worker import Worker

_CHILDREN = 2


def serve(worker: Worker, handle: Callable[[Any, Any], Any], pipe: Connection) -> None:
    """Hand each invocation to the children, until the pipe ends or one of them does."""
    children = [_fork(worker, handle, number) for number in range(_CHILDREN)]
    worker.ledger.write("fork")
    pipe.send("ready")
    try:
        while True:
            pipe.send(_invoke(children, pipe.recv()))
    except EOFError:
        pass
    for child in reversed(children):  # the later one holds a copy of the earlier one's pipe
        child.close()
        os.wait()


def _fork(worker: Worker, handle: Callable[[Any, Any], Any], number: int) -> Connection:
    ours, theirs = multiprocessing.Pipe()
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    worker.effects = Effects(
        worker.ledger, f"{worker.job.seed}:{worker.job.number}:{number}", worker
    )
    try:
        worker.serve(handle, theirs)
    finally:
        os._exit(0)


def _invoke(children: list[Connection], invocation: dict[str, Any]) -> dict[str, Any]:
    """Return the children's answers as one. What one of them could not answer has failed."""
    records = invocation["event"]["Records"]
    failed: list[str] = []
    for number, child in enumerate(children):
        half = events.batch(*records[number::_CHILDREN])
        child.send({**invocation, "event": half})
    for number, child in enumerate(children):
        response = child.recv()
        half_ids = [record["messageId"] for record in records[number::_CHILDREN]]
        failed += half_ids if "error" in response else events.failed(response)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
