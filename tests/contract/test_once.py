"""`@once` on every engine, and called by many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

from cxone_idem import Deduplicator, InProgressError, once
from tests.support.events import envelope
from tests.unit.test_decorator import Event, worker


def test_runs_once_per_key(table: Any) -> None:
    """Two deliveries of one event, here and in another process: one run. Others run too."""
    function, ran = worker(table.store())
    assert function(envelope("k")) == "did k"
    assert function(envelope("k")) is None
    assert function(envelope("l")) == "did l"
    elsewhere, ran_elsewhere = worker(table.store())
    assert elsewhere(envelope("k")) is None
    assert (len(ran), len(ran_elsewhere)) == (2, 0)


def test_of_many_threads_one_runs(contested: Any) -> None:
    """All call at once: one runs, for the others it is done or in progress."""
    start, runs, lock = Barrier(8), [], Lock()

    @once(deduplicator=Deduplicator(contested.store()), store_result=True)
    def process_event(event: Event) -> Any:
        with lock:
            runs.append(event)
        return event["id"]

    def call(_: int) -> str:
        start.wait()
        try:
            return str(process_event(envelope("k")))
        except InProgressError:
            return "in progress"

    with ThreadPoolExecutor(8) as pool:
        said = set(pool.map(call, range(8)))
    assert len(runs) == 1
    assert said <= {"event-of-k", "in progress"}
