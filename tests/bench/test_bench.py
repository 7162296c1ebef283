"""The benchmark runs, and the requests it counts are as promised; never its clocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from tests.bench.__main__ import PARTS, measure
from tests.bench.contender import TWO_CALLS, US, made
from tests.bench.first_invocation import BATCH, FIRST
from tests.bench.scale import QUICK
from tests.bench.timing import delivery, fresh_keys, interleaved
from tests.bench.wire import table_behind
from tests.support.engines import require, running

pytestmark = pytest.mark.engine
_SIZE = 10


@pytest.fixture(scope="module")
def dynamodb_local() -> Iterator[Any]:
    """Return what makes a fresh table on DynamoDB Local."""
    require("dynamodb-local")
    with running("dynamodb-local") as new_table:
        yield new_table


@pytest.fixture
def table(dynamodb_local: Any) -> Iterator[str]:
    """Return the name of a fresh table, which this process's clients find."""
    with table_behind(dynamodb_local) as name:
        yield name


def test_every_question_is_answered_in_finite_numbers_or_skipped_by_name(
    dynamodb_local: Any,
) -> None:
    """The quick form: one round of everything."""
    report = measure(QUICK, dynamodb_local, PARTS)
    assert set(report.skipped) in (set(), {FIRST, BATCH})
    assert len({*report.rows, *report.skipped}) == 13
    for row in chain(*report.rows.values()):
        assert set(row.values) == {*row.ratios, row.base}
        assert all(map(math.isfinite, [*row.ratios.values(), *row.values.values()])), row
        assert row.case in row.line()


def test_ten_distinct_events_take_one_claim_request_and_few_completions(table: str) -> None:
    """Claimed ahead in one request, completed in groups."""
    contenders = made(table, (US, TWO_CALLS))
    ways = {name: delivery(contender, _SIZE) for name, contender in contenders.items()}
    samples = interleaved(ways, 2)
    assert samples[US].median("requests") <= 1 + 3
    assert samples[TWO_CALLS].taken["requests"] == [2 * _SIZE] * 2


def test_a_batch_of_duplicates_takes_two_requests(table: str) -> None:
    """The refused inserts, and what refused them."""
    ways = {US: delivery(made(table, [US])[US], _SIZE, duplicates=_SIZE)}
    assert interleaved(ways, 1)[US].taken["requests"] == [2]


def test_a_claim_outside_a_batch_takes_two_requests_a_duplicate_one_a_known_one_none(
    table: str,
) -> None:
    """First delivery, duplicate of what this process did, duplicate."""
    us, counts = made(table, [US])[US], []
    (key,) = fresh_keys(1)
    for is_elsewhere in (False, False, True):
        if is_elsewhere:
            us.restart()
        before = us.tap.requests
        us.one(key)
        counts.append(us.tap.requests - before)
    assert counts == [2, 0, 1]
