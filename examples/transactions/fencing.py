"""A worker that pauses past its lease writes late, and the database refuses it.

The clock decides who may take a key over, but no clock stops a worker that is already at work: it
may be paused between its last look at the lease and its write. So let the place that it writes to
decide. Every takeover of a key has a higher generation; the database keeps the highest that wrote
for a key, and takes nothing from a lower one.
"""

from __future__ import annotations

import sqlite3

from cxone_idem import Claimed, ClaimLostError, Deduplicator, MemoryStore

# The fence is kept key by key: generations of different keys say nothing of each other.
TABLE = "CREATE TABLE calls (key TEXT PRIMARY KEY, agent TEXT, fence INTEGER)"
FENCED_WRITE = """
    INSERT INTO calls (key, agent, fence) VALUES (:key, :agent, :fence)
    ON CONFLICT (key) DO UPDATE SET agent = :agent, fence = :fence WHERE fence <= :fence
"""


def assign(database: sqlite3.Connection, claim: Claimed, agent: str) -> bool:
    """Give the call to an agent; False if a newer owner of the key has written already."""
    with database:
        done = database.execute(
            FENCED_WRITE, {"key": claim.key, "agent": agent, "fence": claim.generation}
        )
    return done.rowcount == 1


def main() -> None:
    """Let one worker pause and another take over, in a time of the example's own."""
    seconds = 0.0
    database = sqlite3.connect(":memory:")
    database.execute(TABLE)
    deduplicator = Deduplicator(MemoryStore(), now=lambda: seconds)

    claims: list[Claimed] = []
    for _ in range(2):
        claim = deduplicator.claim("call-17")
        if claim:
            claims.append(claim)
        seconds += 600  # the lease is 300 s
    paused, newer = claims
    for worker, claim in (("newer", newer), ("paused", paused)):
        written = assign(database, claim, f"agent of the {worker} worker")
        print(f"{worker} worker, generation {claim.generation}: written is {written}")
    newer.complete()
    try:
        paused.complete()
    except ClaimLostError as error:
        print(f"paused worker: {error}")
    print(*database.execute("SELECT agent FROM calls").fetchone())
    database.close()


if __name__ == "__main__":
    main()
