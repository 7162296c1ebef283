"""Fixtures for functions in Amazon's own Lambda runtime."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.lambda_runtime.runtime import Function, Runtime, running
from tests.support.engines import require
from tests.support.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def shared_table(new_shared_table: Callable[[], Any]) -> Any:
    """Return a fresh table that the functions of one test share."""
    return new_shared_table()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return where the watched function notes what happens to it."""
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def deploy(shared_table: Any, tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    """Return what starts a runtime for a handler on the test's table."""
    require("lambda-rie")
    with ExitStack() as runtimes:
        outputs = (tmp_path / f"runtime-{number}.log" for number in range(10))

        def deploy(handler: str, timeout_seconds: int = 30, **env: str) -> Runtime:
            settings = {
                "AWS_ENDPOINT_URL_DYNAMODB": shared_table.endpoint,
                "CXONE_IDEM_TABLE": shared_table.name,
                "JOURNAL": str(tmp_path / "journal.jsonl"),
                **env,
            }
            function = Function(handler, timeout_seconds, settings)
            return runtimes.enter_context(running(function, next(outputs)))

        yield deploy
