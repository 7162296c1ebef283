"""The benchmark runs, and the requests it counts are as promised; never its clocks."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.batches import SIZE, fresh_keys, rounds_of
from tests.bench.contender import Bare, CxoneIdem
from tests.bench.sample import Samples
from tests.bench.single import requests_of
from tests.bench.wire import ROUND_TRIP_MS, slowed
from tests.support.engines import require, running
from tests.support.events import batch_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def dynamodb_local() -> Iterator[Any]:
    """Return what makes a fresh table on DynamoDB Local."""
    require("dynamodb-local")
    with running("dynamodb-local") as make:
        yield make


@pytest.fixture
def table(dynamodb_local: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a fresh table, which this process's clients find."""
    fresh = dynamodb_local()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", fresh.endpoint)
    name: str = fresh.name
    return name


def test_ten_distinct_events_take_one_claim_request_and_few_completions(table: str) -> None:
    """Claimed ahead in one request, completed in groups."""
    samples = rounds_of([CxoneIdem(table), Bare(table)], 2, bool)
    assert median(samples["cxone_idem"].requests) <= 1 + 3
    assert samples["bare boto3"].requests == [2 * SIZE] * 2


def test_a_batch_of_duplicates_takes_two_requests(table: str) -> None:
    """The refused inserts, and what refused them."""
    us = CxoneIdem(table)
    event = batch_of(*fresh_keys())
    us.deliver(event, bool)
    us.restart()
    before = us.tap.requests
    us.deliver(event, bool)
    assert us.tap.requests - before == 2


def test_a_claim_outside_a_batch_takes_two_requests_a_duplicate_one_a_known_one_none(
    table: str,
) -> None:
    """First delivery, duplicate, duplicate of what this process did."""
    assert requests_of(CxoneIdem(table)) == (2, 1, 0)


def test_the_slow_wire_adds_its_delay(dynamodb_local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round trip cannot be shorter than the wire; how much longer is the machine's affair."""
    fresh = dynamodb_local()
    with slowed(fresh.endpoint) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        samples, bare = Samples(), Bare(fresh.name)
        for key in fresh_keys(2):
            with samples.run():
                bare.claim(key)
        assert samples.wall_ms >= ROUND_TRIP_MS
