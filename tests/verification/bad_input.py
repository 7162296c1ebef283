"""What Hypothesis draws for the fuzz tests: bad messages, events, expressions and items."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from jmespath.functions import Functions

from tests.support.events import QUEUE_ARN, envelope

SECRET = "SECRET-PAYLOAD"
"""Stands in every text of a drawn payload; what may be logged (the key) is drawn without it."""

text = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(
    ["", " ", "\ud800", "\x00", "ключ", "sha256:0", "x" * 3000, "9" * 5000]
)
secret_text = text.map(lambda drawn: SECRET + drawn)
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**38, -(10**400), 10**4000, 2**63, 1e308, float("nan"), float("-inf")]),
)
scalars = st.none() | st.booleans() | numbers


def json_of(strings: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Draw any JSON value whose texts, names included, are drawn from `strings`."""
    return st.recursive(
        scalars | strings,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
        max_leaves=6,
    )


anything = json_of(text)
payload = json_of(secret_text)
keys = scalars | text | st.lists(scalars | text, max_size=3)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "id": keys,
        "detail": st.fixed_dictionaries({}, optional={"IdempotencyKey": keys, "more": payload})
        | payload,
        "replay-name": payload,
        "source": payload,
        "detail-type": payload,
    },
)
_encoded = (envelopes | payload).map(json.dumps)
bodies = st.one_of(
    envelopes.map(json.dumps),
    _encoded,
    _encoded.map(lambda body: body[:-1]),
    _encoded.map(lambda body: body.encode("utf-16")),
    secret_text,
    st.binary().map(lambda drawn: SECRET.encode() + drawn),
    payload,
    st.sampled_from(
        [
            "[" * 100_000 + SECRET,
            '{"detail":' * 900 + f'"{SECRET}"' + "}" * 900,
            f'{{"{SECRET}": {"9" * 5000}}}',
            f'{{"id": {"9" * 4000}, "detail": NaN}}',
        ]
    ),
)
attributes = st.one_of(
    payload,
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("ApproximateReceiveCount", "SentTimestamp", "MessageGroupId"),
            st.sampled_from(["9" * 39, "9" * 5000, 10**40, 10**5000, "nan", "1e9", -1, True])
            | anything,
        ),
    ),
)
_any_fields = st.fixed_dictionaries(
    {},
    optional={
        "body": bodies,
        "attributes": attributes,
        "eventSourceARN": st.sampled_from([QUEUE_ARN, QUEUE_ARN + ".fifo"]) | payload,
        "eventSource": st.just("aws:sqs"),
        "messageAttributes": payload,
        "receiptHandle": payload,
    },
)
fields = _any_fields | st.builds(
    lambda fields, key: {
        **fields,
        "body": json.dumps(envelope(None, id=key, **{"replay-name": SECRET})),
    },
    _any_fields,
    st.text(min_size=1, max_size=3) | numbers,
)
"""An SQS record of any shape, less its messageId; half of them have a key, so that they run."""

records = st.builds(
    lambda record, identity: {**record, **identity},
    fields,
    st.fixed_dictionaries({}, optional={"messageId": anything, "eventSource": anything}),
)
lambda_events = anything | st.fixed_dictionaries(
    {"Records": anything | st.lists(records | anything, max_size=3)}
)

_words = st.sampled_from(
    ["@", "id", "detail", "detail.a", "detail.*", "'x'", "`1`", "`null`", "`[1, 2]`", "&id", "&@"]
)
_functions = st.sampled_from([*sorted(Functions.FUNCTION_TABLE), "from_json", "unknown"])
_calls = st.recursive(
    _words,
    lambda inner: st.one_of(
        st.builds("{}({})".format, _functions, inner),
        st.builds("{}({}, {})".format, _functions, inner, inner),
        st.builds("{}[::{}]".format, inner, st.integers(-2, 2)),
        st.builds("{} {} {}".format, inner, st.sampled_from(["||", "|", "==", "<"]), inner),
        st.builds("[{}, {}]".format, inner, inner),
    ),
    max_leaves=4,
)
expressions = st.one_of(
    _calls,
    st.builds(
        lambda valid, at, junk: valid[:at] + junk + valid[at + 1 :],
        _calls,
        st.integers(0, 20),
        st.text("[]{}()*.,:|&@`'\"\\!<=?-0", max_size=2) | text,
    ),
    st.text("[]{}()*.,:|&@`'\"\\!<=?-0a", max_size=12),
    st.sampled_from(["(" * 5000 + "id", "!" * 5000 + "id", f"id[{'9' * 5000}]", "a." * 900 + "a"]),
)
search_data = st.fixed_dictionaries(
    {"id": anything, "detail": st.fixed_dictionaries({"a": anything, "b": anything}) | anything}
)
