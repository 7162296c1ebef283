"""Results kept for duplicates, on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from cxone_idem import Deduplicator, ResultMissingError
from cxone_idem.claims.result import RESULT_MAX_BYTES
from tests.unit.claims.test_result import claimed, duplicate


@pytest.mark.parametrize(
    "result",
    [None, False, True, 0, 1.5, "", "ключ-🔑", [], {}, {"a": [1, None, {"b": "c"}]}],
    ids=repr,
)
def test_a_duplicate_gets_the_first_runs_result(table: Any, result: object) -> None:
    """Whatever JSON can say comes back, on every engine; None and False are results like others."""
    claimed(Deduplicator(table.store())).complete(result=result)
    again = duplicate(table.store()).result
    assert again == result
    assert type(again) is type(result)


def test_no_result_is_not_the_result_none(table: Any) -> None:
    """Completed without one, asking for it is an error that says so, and the work stays done."""
    claimed(Deduplicator(table.store())).complete()
    done = duplicate(table.store())
    assert done.record.result is None
    with pytest.raises(ResultMissingError, match="'k' is done, but its result is not stored"):
        _ = done.result


def test_an_item_without_result_has_no_attribute_for_it(items: Any) -> None:
    """Nothing is paid for by those who store none; a result is a text attribute."""
    claimed(Deduplicator(items.store()), "without").complete()
    claimed(Deduplicator(items.store()), "with").complete(result={"a": 1})
    assert "result" not in items.item("without")
    assert items.item("with")["result"] == {"S": '{"a":1}'}


def test_the_longest_result_fits_an_item(table: Any) -> None:
    """What is just within the bound is kept, beside the longest key and a full origin."""
    key = "k" * 2048
    longest = "x" * (RESULT_MAX_BYTES - 2)
    claimed(Deduplicator(table.store()), key).complete(result=longest)
    assert duplicate(table.store(), key).result == longest
