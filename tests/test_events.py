"""Which key an event has: never a shared one, and a clear error where it has none."""

from __future__ import annotations

from typing import Any

import pytest

from cxone_idem import KeyMissingError
from cxone_idem.events import find_key
from tests.sqs_events import envelope


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("detail.IdempotencyKey || id", "k"),
        ("detail.absent || id", "event-of-k"),
        ("detail.conversationId", "conv-123"),
        ("[detail.conversationId, detail.eventType]", '["conv-123","conversation.start"]'),
        ("{type: detail.eventType, conv: detail.conversationId}",
         '["conv-123","conversation.start"]'),
        ("detail.number", "7"),
        ("detail.fraction", "0.5"),
        ("detail.zero", "0"),
        ("[detail.number, detail.unicode]", '["7","ключ"]'),
        ("from_json(detail.nested).detail.id", "inner"),
    ],
)  # fmt: skip
def test_keys_that_are_found(expression: str, key: str) -> None:
    """Text as it is, numbers as text, composites as a list, nested JSON through `from_json`."""
    event = envelope("k")
    event["detail"] |= {"number": 7, "fraction": 0.5, "zero": 0, "unicode": "ключ"}
    event["detail"]["nested"] = '{"detail": {"id": "inner"}}'
    assert find_key(event, expression) == key


def test_an_integer_of_any_size_is_a_key() -> None:
    """An integer that no float can hold is told from its neighbours."""
    assert find_key({"id": 10**400}, "id") == "1" + "0" * 400
    with pytest.raises(KeyMissingError, match="too many digits"):
        find_key({"id": 10**5000}, "id")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null"),
        ("", "empty"),
        (" \t\n", "whitespace"),
        (True, "bool"),
        (float("inf"), "finite"),
        (float("nan"), "finite"),
        ([], "empty list"),
        ({}, "empty list"),
        ([None], "part 1 of 1 is null"),
        (["a", ""], "part 2 of 2 is empty"),
        (["a", ["b"]], "part 2 of 2 is a list"),
        ({"a": "x", "b": None}, "part 2 of 2 is null"),
    ],
)
def test_values_that_are_no_key(value: Any, reason: str) -> None:
    """Every unusable value is named by its kind, and its content is not shown."""
    with pytest.raises(KeyMissingError, match=reason):
        find_key({"detail": {"key": value}}, "detail.key")


@pytest.mark.parametrize(
    "expression", ["[detail.conversationId, detail.absent]", "length(detail.absent)",
                   "from_json(detail.eventType)", "from_json(detail.absent)",
                   "contains(detail.eventType, `1`)", "ceil(`Infinity`)"]
)  # fmt: skip
def test_expressions_that_find_nothing_whole(expression: str) -> None:
    """A partly missing composite or a failing function is a missing key, never a shared one."""
    with pytest.raises(KeyMissingError, match="retrying does not help"):
        find_key(envelope(), expression)


def test_composites_do_not_collide() -> None:
    """No two combinations of parts read the same."""
    combinations: list[list[Any]] = [["a,b", "c"], ["a", "b,c"], ['a","b', "c"], ["a", "b", "c"]]
    keys = {find_key({"parts": parts}, "parts") for parts in combinations}
    assert len(keys) == len(combinations)
