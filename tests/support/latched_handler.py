"""A handler for consumer processes: it tells when it starts, and ends when the test lets it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def process(event: dict[str, Any]) -> None:
    """Name the key in one named pipe, then wait for a line from the other."""
    Path(os.environ["STARTED"]).write_text(event["detail"]["IdempotencyKey"] + "\n")
    # Unbuffered: a line for another handler is left to it.
    with Path(os.environ["LATCH"]).open("rb", buffering=0) as latch:
        latch.readline()
