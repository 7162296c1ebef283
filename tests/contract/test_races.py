"""Of many that claim one key at once exactly one wins: threads, processes, and a broken store."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Deduplicator, DynamoDBStore, InProgressError
from cxone_idem.protocol.store import PutResult, Store
from cxone_idem.stores.dynamodb_item import Layout
from tests.conftest import needing
from tests.support.engines import client_for, use_stand_in_credentials

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier as ProcessBarrier

    from cxone_idem.record import Record

THREADS = 8
PROCESSES = 4
ROUNDS = 15


def wins(deduplicator: Deduplicator, key: str, start: Any) -> bool:
    """Claim `key` at the moment everyone else does; tell whether it was won."""
    start.wait()
    try:
        return bool(deduplicator.claim(key))
    except InProgressError:
        return False


def winners_by_round(store: Store, rounds: int = ROUNDS) -> list[int]:
    """Let threads, each a worker of its own, race for one key a round; count who won."""
    start = Barrier(THREADS)
    workers = [Deduplicator(store) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        return [
            sum(pool.map(wins, workers, [f"key-{number}"] * THREADS, [start] * THREADS))
            for number in range(rounds)
        ]


def test_of_many_threads_one_wins(contested: Any) -> None:
    """One atomic conditional write decides, whatever the interleaving."""
    assert winners_by_round(contested.store()) == [1] * ROUNDS


class ChecksThenInserts:
    """The naive consumer's store: it looks, and then writes without a condition."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._layout = Layout()

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        item = self._table.item(record.partition_key)
        seen = self._layout.to_record(item) if item else None
        if (seen.version if seen else None) != expected_version:
            return PutResult(written=False, existing=seen)
        self._table.client.put_item(TableName=self._table.name, Item=self._layout.to_item(record))
        return PutResult(written=True)


def test_the_race_catches_check_then_insert(contested: Any) -> None:
    """The same race finds several winners when check and insert are two steps."""
    store = ChecksThenInserts(needing(contested, "items"))
    assert max(winners_by_round(store)) > 1


def _race_in_a_process(
    endpoint: str, table: str, start: ProcessBarrier, results: multiprocessing.Queue[list[bool]]
) -> None:
    use_stand_in_credentials()
    client = client_for(endpoint)
    deduplicator = Deduplicator(DynamoDBStore(table, client))
    results.put([wins(deduplicator, f"key-{number}", start) for number in range(ROUNDS)])
    client.close()


def test_of_many_processes_one_wins(contested: Any) -> None:
    """Nothing in one process's memory is needed to decide."""
    table = needing(contested, "processes")
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(PROCESSES)
    results: multiprocessing.Queue[list[bool]] = spawn.Queue()
    racers = [
        spawn.Process(target=_race_in_a_process, args=(table.endpoint, table.name, start, results))
        for _ in range(PROCESSES)
    ]
    for racer in racers:
        racer.start()
    won = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert [sum(round_) for round_ in zip(*won, strict=True)] == [1] * ROUNDS


def test_threads_that_share_one_deduplicator(contested: Any) -> None:
    """The claims of one process are kept apart too, and the winner completes by plain key."""
    deduplicator = Deduplicator(contested.store())
    start = Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        won = list(pool.map(wins, [deduplicator] * THREADS, ["k"] * THREADS, [start] * THREADS))
    assert sum(won) == 1
    deduplicator.complete("k")
    assert not deduplicator.claim("k")


@pytest.mark.parametrize("verb", ["complete", "release"])
def test_a_heartbeat_beside_the_work_never_loses_the_claim(contested: Any, verb: str) -> None:
    """Extending in one thread while another settles: the claim sees its own writes in order."""
    deduplicator = Deduplicator(contested.store())
    for number in range(ROUNDS):
        claim = deduplicator.claim(f"key-{number}")
        assert claim
        start = Barrier(2)

        def beat(claim: Any = claim, start: Barrier = start) -> None:
            start.wait()
            for _ in range(2):
                claim.extend()

        with ThreadPoolExecutor(1) as pool:
            heartbeat = pool.submit(beat)
            start.wait()
            getattr(claim, verb)()
            error = heartbeat.exception()
        assert error is None or "already" in str(error)
