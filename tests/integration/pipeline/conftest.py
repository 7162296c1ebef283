"""Fixtures for the whole way of an event, deployed once to ministack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from examples.local_stack import ministack
from tests.integration.pipeline.stack import Stack
from tests.support.engines import require
from tests.support.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def records(new_shared_table: Callable[[], Any]) -> Any:
    """Return the one table of all functions; a function's name is its namespace."""
    return new_shared_table()


@pytest.fixture(scope="package")
def stack(records: Any) -> Iterator[Stack]:
    """Return an account whose functions keep their records in `records`."""
    require("ministack")
    # Lambda waits a minute before it tries an asynchronous invocation again.
    with ministack({"LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1"}) as url:
        env = {"AWS_ENDPOINT_URL_DYNAMODB": records.endpoint, "CXONE_IDEM_TABLE": records.name}
        yield Stack(url, env)


@pytest.fixture(scope="session")
def new_journal(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Journal]:
    """Return what starts a journal for a function."""
    folder = tmp_path_factory.mktemp("journals")
    return lambda name: Journal(folder / f"{name}.jsonl")
