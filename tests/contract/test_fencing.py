"""The generation as a fencing token, checked by a real database."""

from __future__ import annotations

import runpy
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Claimed, ClaimLostError, Config, Deduplicator, MemoryStore
from examples.transactions.fencing import FENCED_WRITE, TABLE, assign
from tests.support.clocks import MovableClock, TellsTime
from tests.support.documents import ROOT, code_blocks
from tests.support.events import batch_of, failed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = Config(lease_seconds=60, retention_seconds=3600)
PAST_THE_LEASE_SECONDS = 60 + 3 + 1


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[list[sqlite3.Connection]]:
    """Return three workers' connections to one database."""
    path = tmp_path / "calls.db"
    with (
        closing(sqlite3.connect(path)) as first,
        closing(sqlite3.connect(path)) as second,
        closing(sqlite3.connect(path)) as third,
    ):
        first.execute(TABLE)
        yield [first, second, third]


def agent(database: sqlite3.Connection) -> str:
    """Return who has the call."""
    (name,) = database.execute("SELECT agent FROM calls WHERE key = 'k'").fetchone()
    return str(name)


def claims_of_workers_that_pause(table: Any, clock: MovableClock, workers: int) -> list[Claimed]:
    """Claim one key by one worker after the other, each one's lease over before the next."""
    claims = []
    for _ in range(workers):
        store = TellsTime(table.store(), clock)
        claim = Deduplicator(store, CONFIG, now=clock).claim("k")
        assert claim
        claims.append(claim)
        clock.advance(PAST_THE_LEASE_SECONDS)
    return claims


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)], ids=str)
def test_the_newest_owners_write_is_kept(
    table: Any, clock: MovableClock, connections: list[sqlite3.Connection], order: tuple[int, ...]
) -> None:
    """In whatever order paused workers wake up and write, a later one's write is never undone."""
    claims = claims_of_workers_that_pause(table, clock, workers=3)
    newest = -1
    for worker in order:
        written = assign(connections[worker], claims[worker], f"agent {worker}")
        assert written == (worker > newest)
        newest = max(newest, worker)
        assert agent(connections[0]) == f"agent {newest}"
    with pytest.raises(ClaimLostError):
        claims[0].complete()
    claims[2].complete()


def test_an_owner_may_write_again(
    table: Any, clock: MovableClock, connections: list[sqlite3.Connection]
) -> None:
    """The fence keeps out older owners, not the second write of the same one."""
    (claim,) = claims_of_workers_that_pause(table, clock, workers=1)
    assert assign(connections[0], claim, "first")
    assert assign(connections[0], claim, "second")
    assert agent(connections[1]) == "second"


def test_without_the_fence_the_late_write_is_kept(
    table: Any, clock: MovableClock, connections: list[sqlite3.Connection]
) -> None:
    """The same story goes wrong where the database does not look at the generation."""
    unfenced, _ = FENCED_WRITE.split("WHERE")
    late, newer = claims_of_workers_that_pause(table, clock, workers=2)
    for database, claim in ((connections[1], newer), (connections[0], late)):
        with database:
            fence = {"key": "k", "agent": f"agent {claim.generation}", "fence": claim.generation}
            database.execute(unfenced, fence)
    assert agent(connections[2]) == "agent 1"


def test_a_fence_that_outlives_the_record_refuses_the_newcomer(
    items: Any, clock: MovableClock, connections: list[sqlite3.Connection]
) -> None:
    """Once TTL has deleted the record, generations start at 1: the fence must be gone by then."""
    first, second = claims_of_workers_that_pause(items, clock, workers=2)
    assert assign(connections[1], second, "second")
    items.client.delete_item(TableName=items.name, Key={"id": {"S": "k"}})
    (newcomer,) = claims_of_workers_that_pause(items, clock, workers=1)
    assert newcomer.generation == first.generation == 1
    assert not assign(connections[0], newcomer, "newcomer")
    with connections[0] as database:
        database.execute("DELETE FROM calls")
    assert assign(connections[0], newcomer, "newcomer")


def test_the_example_tells_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a program, it prints the refusal."""
    runpy.run_path(str(ROOT / "examples" / "transactions" / "fencing.py"), run_name="__main__")
    newer, paused, lost, stands = capsys.readouterr().out.splitlines()
    assert newer == "newer worker, generation 2: written is True"
    assert paused == "paused worker, generation 1: written is False"
    assert "generation 2 holds the key" in lost
    assert stands == "agent of the newer worker"


def test_the_readmes_block_runs() -> None:
    """The block is a handler whose write is fenced."""
    (block,) = code_blocks("Fencing")
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE conversations (event_id TEXT, status TEXT, fence INTEGER)")
        database.executemany(
            "INSERT INTO conversations VALUES (?, 'new', ?)", [("event-of-k", 0), ("event-of-l", 7)]
        )
        names: dict[str, Any] = {"database": database}
        exec(block, names)  # noqa: S102 -- README's own code
        response = Deduplicator(MemoryStore()).process_batch(
            batch_of("k", "l"), names["process_event"]
        )
        assert failed(response) == ["m1"]
        rows = database.execute("SELECT status, fence FROM conversations").fetchall()
        assert rows == [("started", 1), ("new", 7)]
