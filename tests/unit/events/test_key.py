"""Which key an event has: never a shared one, and a clear error where it has none."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxone_idem import Config, ConfigError, Deduplicator, KeyMissingError, MemoryStore, once
from cxone_idem.events.canonical import number_text
from cxone_idem.events.envelope import parse_envelope, parse_twice
from cxone_idem.events.key import find_key
from tests.support.events import batch, envelope, failed, record

fuzz = settings(derandomize=True, deadline=None, database=None)


def key_of(value: str, expression: str = "value") -> str:
    """Return the key of an event in which `value`, a JSON text, is under that name."""
    _, exactly = parse_twice(f'{{"value": {value}}}')
    return find_key(exactly, expression)


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("detail.IdempotencyKey || id", "k"),
        ("detail.absent || id", "event-of-k"),
        ("detail.conversationId", "conv-123"),
        ("[detail.conversationId, detail.eventType]", '["conv-123","conversation.start"]'),
        ("{type: detail.eventType, conv: detail.conversationId}",
         '{"conv":"conv-123","type":"conversation.start"}'),
        ("detail.number", "7"),
        ("detail.fraction", "0.5"),
        ("detail.zero", "0"),
        ("[detail.number, detail.unicode]", '[7,"ключ"]'),
        ("detail.braces", "{3F2504E0-4F89}"),
        ("from_json(detail.nested).detail.id", "inner"),
        ("from_json(detail.absent).id || id", "event-of-k"),
        ("map(&id, detail.items)", '["a","b"]'),
        ("join('-', [to_string(detail.number), detail.conversationId])", "7-conv-123"),
    ],
)  # fmt: skip
def test_keys_that_are_found(expression: str, key: str) -> None:
    """Text as it is, numbers as text, composites as JSON, nested JSON through `from_json`."""
    event = envelope("k")
    event["detail"] |= {"number": 7, "fraction": 0.5, "zero": 0, "unicode": "ключ"}
    event["detail"] |= {"nested": '{"detail": {"id": "inner"}}', "braces": "{3F2504E0-4F89}"}
    event["detail"]["items"] = [{"id": "a"}, {"id": "b"}]
    assert find_key(event, Config(key=expression).key) == key


def spelled(value: Any) -> str:
    """Return JSON of a value; every number with all its digits."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(name)}:{spelled(value[name])}' for name in value)}}}"
    return str(value)


_numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda drawn: abs(drawn.adjusted()) < 400
)
_found = st.recursive(
    st.text() | _numbers | st.sampled_from(['["a"]', '{"a":"b"}', '"a"', "5", "1e0", "null", ""]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "orderId"]), inner, min_size=1)
        | inner.map(spelled)
    ),
    max_leaves=4,
)


def like(value: Any) -> Any:
    """Return a value as two must be alike: a number at the top is the text of its digits."""
    return value if isinstance(value, (str, list, dict)) else number_text(value)


@settings(fuzz, max_examples=500)
@given(_found, _found)
def test_different_finds_have_different_keys(one: Any, other: Any) -> None:
    """Whatever two events hold, they share a key only if they hold the same."""
    try:
        keys = [key_of(spelled(value)) for value in (one, other)]
    except KeyMissingError:
        return
    assert (keys[0] == keys[1]) is (like(one) == like(other))


@pytest.mark.parametrize(
    "values",
    [
        ['{"orderId": "5"}', '{"refundId": "5"}', '["5"]', "[5]", '"5"', '"[5]"', '"[\\"5\\"]"'],
        ['["a", "b"]', '"[\\"a\\",\\"b\\"]"', '"\\"[\\\\\\"a\\\\\\",\\\\\\"b\\\\\\"]\\""'],
        ['["a,b", "c"]', '["a", "b,c"]', '["a\\",\\"b", "c"]', '["a", "b", "c"]', '[["a"],"c"]'],
        ['{"a": {"b": "c"}}', '{"a": ["b", "c"]}', '{"a": "{\\"b\\":\\"c\\"}"}'],
        ["9007199254740992", "9007199254740993", "9007199254740993.5", "9007199254740994.0"],
        ["0.1", "0.1000000000000000055", "0.10000000000000001", "1e-400", "1e400", "2e400"],
        ["0", "1e-4000", "-1", "1"],
    ],
)  # fmt: skip
def test_what_differs_has_keys_that_differ(values: list[str]) -> None:
    """Kinds, names and nesting differ, and numbers at any size."""
    assert len({key_of(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("1", ["1", "1.0", "1e0", "10e-1", '"1"']),
        ("0", ["0", "-0", "-0.0", "0e5"]),
        ("0.5", ["0.5", "5e-1", "0.50"]),
        ("10000000000000000000000", ["1e22", "10000000000000000000000", "1.0e22"]),
        ('[1,{"a":2,"b":"x"}]', ['[1.0, {"b": "x", "a": 2.0}]', '[1, {"a": 2, "b": "x"}]']),
    ],
)
def test_what_means_the_same_has_one_key(key: str, values: list[str]) -> None:
    """Neither the spelling of a number nor the order of names makes another event."""
    assert {key_of(value) for value in values} == {key}


def test_numbers_are_exact_in_functions_too() -> None:
    """What a function takes keeps its digits, or the function refuses it."""
    near = ["9007199254740992.0", "9007199254740993.0", "0.1", "0.1000000000000000055"]
    for expression in ("to_string(value)", "to_number(value)", "to_number(to_string(value))",
                       "join('-', [to_string(value)])", "[to_string({a: value})]"):  # fmt: skip
        assert len({key_of(value, expression) for value in near}) == len(near)
    assert key_of(near[1], "type(value)") == "number"
    assert {key_of(value, "to_string(value)") for value in ("1", "1.0")} == {"1"}
    for expression in ("abs(value)", "floor(value)", "sum([value])", "max([value])"):
        with pytest.raises(KeyMissingError, match="JMESPathTypeError"):
            key_of(near[1], expression)


def test_a_handler_gets_ordinary_json() -> None:
    """Exact numbers are for the key alone."""
    body = '{"id": 9007199254740993.0, "detail": {"a": 0.1000000000000000055, "b": 1e400}}'
    seen: list[Any] = []
    deduplicator = Deduplicator(MemoryStore(), Config(key="id"))
    assert failed(deduplicator.process_batch(batch(record("m", body)), seen.append)) == []
    assert seen == [json.loads(body)]
    assert {type(value) for value in (seen[0]["id"], *seen[0]["detail"].values())} == {float}
    assert not deduplicator.claim("9007199254740993")


def test_a_float_that_may_have_lost_digits_is_no_key() -> None:
    """An event that was parsed before it came here cannot tell such a float from its neighbour."""
    with pytest.raises(KeyMissingError, match="may have lost digits"):
        find_key(parse_envelope('{"id": 9007199254740993.0}'), "id")
    assert find_key({"id": 9007199254740993}, "id") == "9007199254740993"
    assert find_key({"id": 0.5}, "id") == "0.5"


def test_an_integer_of_any_size_is_a_key() -> None:
    """An integer that no float can hold differs from its neighbours."""
    assert find_key({"id": 10**400}, "id") == "1" + "0" * 400
    for value in (10**5000, 10**4300):
        with pytest.raises(KeyMissingError, match="too many digits"):
            find_key({"id": value}, "id")
    for text in ("1e4300", "1e999999999", "1e-5000"):
        with pytest.raises(KeyMissingError, match="too many digits"):
            key_of(text)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null"),
        ("", "an empty text"),
        (" \t\n", "whitespace"),
        (True, "a bool"),
        (float("inf"), "finite"),
        (float("nan"), "finite"),
        ([], "an empty list"),
        ({}, "an empty object"),
        ([None], "part 1 of 1 is null"),
        (["a", ""], "part 2 of 2 is an empty text"),
        (["a", ["b", None]], "part 2 of 2 of part 2 of 2 is null"),
        (["a", {}], "part 2 of 2 is an empty object"),
        ({"a": "x", "b": None}, "a value whose part 2 of 2 is null"),
        ({1: "x"}, "a name that is no text"),
        ({"a"}, "a set"),
    ],
)
def test_values_that_are_no_key(value: Any, reason: str) -> None:
    """Every unusable value is named by its kind, and its content is not shown."""
    with pytest.raises(KeyMissingError, match=reason):
        find_key({"detail": {"key": value}}, "detail.key")


def test_a_member_that_the_expression_names_is_named() -> None:
    """It is not payload, as the user wrote it."""
    with pytest.raises(KeyMissingError, match="a value whose member 'conv' is null"):
        find_key({"id": "x"}, "{id: id, conv: detail.conversationId}")
    with pytest.raises(KeyMissingError, match="whose part 2 of 2 of member 'parts' is null"):
        find_key({"id": "x"}, "{parts: [id, absent]}")


def test_a_list_nested_too_deep_is_no_key() -> None:
    """It is an error of its event, and no crash."""
    deep: list[Any] = ["a"]
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(KeyMissingError, match="too deep"):
        find_key({"key": deep}, "key")


@pytest.mark.parametrize(
    "expression", ["[detail.conversationId, detail.absent]", "length(detail.absent)",
                   "from_json(detail.eventType)", "from_json(detail.absent)", "from_json(detail)",
                   "contains(detail.eventType, `1`)", "ceil(detail.endless)",
                   "map(&absent, [detail])"]
)  # fmt: skip
def test_expressions_that_find_nothing_whole(expression: str) -> None:
    """A partly missing composite or a failing function is a missing key, never a shared one."""
    event = envelope()
    event["detail"]["endless"] = math.inf
    with pytest.raises(KeyMissingError, match="retrying does not help"):
        find_key(event, Config(key=expression).key)


@pytest.mark.parametrize(
    "expression",
    ["'detail.orderId'", "`5`", "['a', `1`]", "join('-', ['a', 'b'])", "{a: 'b'}", "'a' || 'b'"],
)
@pytest.mark.parametrize("setting", ["KEY", "FINGERPRINT"])
def test_a_constant_is_no_key(setting: str, expression: str) -> None:
    """All events would share it, and be dropped for the first: quotes that were left in a file."""
    with pytest.raises(ConfigError, match="finds the same in every event"):
        Config.from_environ({f"CXONE_IDEM_{setting}": expression})


@pytest.mark.parametrize("source", [{}, [], 5, None, {"a": 1}])
def test_what_looks_like_a_batch_is_an_event_all_the_same(source: Any) -> None:
    """Whatever stands where a batch has its source: it is the event's own content."""
    event = {"Records": [{"eventSource": source}], "detail": {"IdempotencyKey": "k"}}
    assert find_key(event, "detail.IdempotencyKey") == "k"
    with pytest.raises(KeyMissingError):
        find_key(event, "detail.absent")


def without(name: str) -> dict[str, Any]:
    """Return an EventBridge event of no IdempotencyKey that lacks a field."""
    event = envelope(None, id="1")
    del event[name]
    return event


@pytest.mark.parametrize(
    ("event", "fix"),
    [
        ({"id": "conv-1", "type": "conversation.start"}, "CXONE_IDEM_KEY to what only copies"),
        ({"id": "conv-1", "IdempotencyKey": "k"}, "set CXONE_IDEM_KEY to IdempotencyKey"),
        (
            {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "detail": {}},
            "no EventBridge event",
        ),
        (without("detail-type"), "no EventBridge event"),
        (without("source"), "no EventBridge event"),
        (without("detail"), "no EventBridge event"),
        (
            {"Type": "Notification", "TopicArn": "arn", "Message": "{}", "id": "1"},
            "pass decode=cxone_idem.sns.decode",
        ),
        ([], "usable key"),
        (batch(record("m", "{}")), r"batch of SQS \(it has 'Records'\): use process_batch\(event"),
        (
            batch(record("m", "{}"))["Records"],
            r"batch of SQS \(a list of records\): use process_batch",
        ),
        ({"Records": [{"eventSource": "aws:s3"}]}, "no EventBridge event"),
    ],
)
@pytest.mark.parametrize("expression", ["detail.IdempotencyKey || id", "detail.IdempotencyKey||id"])
def test_the_default_takes_no_entitys_id(event: Any, fix: str, expression: str) -> None:
    """Only EventBridge's `id` is that of one event; the error says what to set instead."""
    config = Config(key=expression)
    with pytest.raises(KeyMissingError, match=fix):
        find_key(event, config.key)
    handler = once(deduplicator=Deduplicator(MemoryStore(), config))(lambda event: event)
    with pytest.raises(KeyMissingError, match=fix):
        handler(event)


@pytest.mark.parametrize("key", ["detail.id", "[detail.id, id]", "from_json(detail)", "length(id)"])
def test_a_batch_is_one_whatever_the_key(key: str) -> None:
    """No other key would make it an event, so none is asked for."""
    with pytest.raises(KeyMissingError, match="help: this is a batch of SQS"):
        find_key(batch(record("m", "{}")), key)


@pytest.mark.parametrize("name", ["eventSource", "EventSource"])
def test_a_batch_of_another_service_is_one_too(name: str) -> None:
    """Its records hold the events."""
    with pytest.raises(KeyMissingError, match=r"batch of aws:sns .*: call the function for"):
        find_key({"Records": [{name: "aws:sns"}]}, Config().key)


def test_an_id_that_was_chosen_counts_anywhere() -> None:
    """An explicit `id` is the user's own choice; an IdempotencyKey counts always."""
    assert find_key({"id": "1"}, "id") == "1"
    assert find_key({"id": "1"}, "detail.id || id") == "1"
    assert find_key({"detail": {"IdempotencyKey": "k"}}, Config().key) == "k"


def test_no_event_of_an_entity_is_dropped_for_its_id() -> None:
    """Twelve events of one conversation in plain JSON: all fail, and none vanishes."""
    ran: list[Any] = []
    bodies = [record(f"m{number}", {"id": "conv-1", "step": number}) for number in range(12)]
    ids = failed(Deduplicator(MemoryStore()).process_batch(batch(*bodies), ran.append))
    assert (len(ids), ran) == (12, [])
