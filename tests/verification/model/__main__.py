"""Run the whole check, large worlds too: `python -m tests.verification.model [words of a name]`."""

from __future__ import annotations

import sys

from tests.verification.model.broken import MISTAKES
from tests.verification.model.broken_pairs import PAIR_MISTAKES
from tests.verification.model.broken_transactions import TRANSACTION_MISTAKES
from tests.verification.model.consumer import by_the_batch, by_the_verbs
from tests.verification.model.line import ManyPort
from tests.verification.model.process import Port, Program
from tests.verification.model.search import Search
from tests.verification.model.transactions import (
    by_the_batch_in_transactions,
    by_the_verbs_in_transactions,
)
from tests.verification.model.worlds import (
    BATCHES,
    LONG,
    PAIRS,
    PAIRS_LONG,
    SHORT,
    TRANSACTION_BATCHES,
    TRANSACTIONS,
    TRANSACTIONS_LONG,
)


def main(wanted: str) -> int:
    """Search the worlds whose name contains `wanted`; return how many are broken."""
    broken = 0
    for worlds, port, deliver in (
        (SHORT, Port, by_the_verbs),
        (BATCHES, Port, by_the_batch),
        ((*PAIRS, *PAIRS_LONG), ManyPort, by_the_batch),
        ((*TRANSACTIONS, *TRANSACTIONS_LONG), Port, by_the_verbs_in_transactions),
        (TRANSACTION_BATCHES, Port, by_the_batch_in_transactions),
        (LONG, Port, by_the_verbs),
    ):
        for world in worlds:
            if wanted in world.name:
                found = Search(Program(world.config, port, deliver), world).run()
                print(found, flush=True)  # noqa: T201 -- it prints
                broken += bool(found.broken)
    for mistake in (*MISTAKES, *PAIR_MISTAKES, *TRANSACTION_MISTAKES):
        if wanted in mistake.name:
            print("\nmade on purpose:", mistake.search().story, flush=True)  # noqa: T201 -- it prints
    return broken


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
