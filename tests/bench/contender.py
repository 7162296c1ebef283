"""The contenders: ways to process a batch of SQS messages on a table.

As a program it is one contender's process: init, then an invocation for each line on stdin. So
nothing is imported here that another contender would pay for.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Protocol

Handler = Callable[[Any], object]

US, PEER, TWO_CALLS, FEWEST = ALL = ("cxone_idem", "Powertools", "A", "B")
LEGEND = (
    "A: two bare boto3 calls an event. B: the least requests one can write by hand, two"
    " BatchExecuteStatement for 25 events."
)
_MADE_BY = {
    US: ("ours", "CxoneIdem"),
    PEER: ("powertools", "Powertools"),
    TWO_CALLS: ("bare", "TwoCalls"),
    FEWEST: ("bare", "Fewest"),
}


class Tap:
    """Counts one client's requests, the SDK's retries included, and the writes they ask for."""

    def __init__(self, client: Any) -> None:
        self.requests = self.writes = 0
        client.meta.events.register("before-send.dynamodb", self._sent)
        client.meta.events.register("provide-client-params.dynamodb", self._asked)

    def _sent(self, **_: object) -> None:
        self.requests += 1

    def _asked(self, params: dict[str, Any], **_: object) -> None:
        self.writes += len(params.get("Statements", [params]))


class Contender(Protocol):
    """What a measurement asks of a contender."""

    tap: Tap

    def deliver(self, event: dict[str, Any], handler: Handler) -> None:
        """Process one Lambda event; fail if any message of it fails."""

    def one(self, key: str) -> None:
        """Claim and complete one key outside a batch."""

    def restart(self) -> None:
        """Forget what this process knows, as a new process would."""


class Context:
    """As much of a Lambda context as the contenders read."""

    aws_request_id = "request-1"
    function_name = "cxone-events"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def made(table: str, names: Iterable[str] = ALL, max_workers: int = 1) -> dict[str, Contender]:
    """Return contenders by name."""
    contenders = {}
    for name in names:
        module, made_by = _MADE_BY[name]
        make = getattr(import_module(f"tests.bench.{module}"), made_by)
        contenders[name] = make(table, max_workers)
    return contenders


def handler_of(milliseconds: float) -> Handler:
    """Return a handler that takes its time."""
    return (lambda _: time.sleep(milliseconds / 1000)) if milliseconds else bool


def _live(name: str) -> None:
    contender = made(os.environ["CXONE_IDEM_TABLE"], [name])[name]
    print("ready", flush=True)
    gc.collect()  # in whose first invocation the next full collection would fall is luck
    print("collected", flush=True)
    for line in sys.stdin:
        handler_ms, event = json.loads(line)
        started = time.perf_counter()
        contender.deliver(event, handler_of(handler_ms))
        print((time.perf_counter() - started) * 1000, flush=True)


if __name__ == "__main__":
    _live(sys.argv[1])
