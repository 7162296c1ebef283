"""The contract of the verbs and of the SQS adapter, held against the async API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract import test_verbs
from tests.support.awaited import AwaitedClaimed, AwaitedDeduplicator
from tests.support.engines import running
from tests.unit.sqs import test_batch, test_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a synchronous handler is refused for, and what needs none of this library's I/O.
_SYNC_ONLY = {"test_an_async_handler_is_refused"}

_MODULES = (test_verbs, test_batch, test_run)

for _module in _MODULES:
    globals().update(
        {
            name: thing
            for name, thing in vars(_module).items()
            if name in {"store", "deduplicator"}
            or (name.startswith("test_") and name not in _SYNC_ONLY)
        }
    )


@pytest.fixture(autouse=True)
def _on_the_async_api(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in _MODULES:
        monkeypatch.setattr(module, "Deduplicator", AwaitedDeduplicator)
    monkeypatch.setattr(test_verbs, "Claimed", AwaitedClaimed)


@pytest.fixture(scope="module", params=["memory", "moto"])
def new_table(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """Return what makes a fresh table: engines do not differ in what asyncio adds."""
    with running(request.param) as make:
        yield make
