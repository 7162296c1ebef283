"""Run the whole check: `python -m tests.verification.model [words of a world's name]`."""

from __future__ import annotations

import sys

from tests.verification.model.broken import MISTAKES
from tests.verification.model.search import Search
from tests.verification.model.worlds import LONG, SHORT

wanted, broken = " ".join(sys.argv[1:]), 0
for world in (one for one in (*SHORT, *LONG) if wanted in one.name):
    found = Search(world).run()
    broken += bool(found.broken)
    print(found, flush=True)  # noqa: T201 -- it prints
for mistake in (one for one in MISTAKES if wanted in one.world.name):
    print("made on purpose:", mistake.search(), flush=True)  # noqa: T201 -- it prints
sys.exit(broken)
