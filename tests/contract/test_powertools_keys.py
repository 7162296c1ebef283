"""The example's keys are those that the real Powertools writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from examples.migration.powertools_key import PowertoolsKey
from tests.support.events import record
from tests.support.powertools import Old, event_of


@dataclass
class Order:
    """An argument that is no JSON itself."""

    number: int
    price: Decimal
    day: date


@pytest.fixture
def old(items: Any) -> Old:
    """Return the consumer before, on each engine in turn."""
    return Old(items)


DATA = {
    "text": "clé \u2603",
    "event": event_of("k"),
    "numbers": {"b": 1.10, "a": [1e300, 2**70, -0.0, True, None]},
    "zero": 0,
    "record": SQSRecord(record("m", event_of("k"))),
    "event class": EventBridgeEvent(event_of("k")),
    "dataclass": Order(1, Decimal("1.50"), date(2024, 1, 2)),
    "inside": {"order": Order(1, Decimal("NaN"), date(2024, 1, 2))},
}


@pytest.mark.parametrize("hash_function", ["md5", "sha256", "sha3_512"])
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_the_default_key_is_the_one_that_powertools_wrote(
    old: Old, data: Any, hash_function: str
) -> None:
    """All of the argument, whatever it is made of."""
    old.run(data, hash_function=hash_function)
    assert old.ids() == [PowertoolsKey("old", hash_function=hash_function)(data)]


@pytest.mark.parametrize("hash_function", ["md5", "sha1"])
@pytest.mark.parametrize(
    "expression",
    [
        "messageId",
        "[messageId, attributes.ApproximateReceiveCount, nothing]",
        "{id: messageId, queue: eventSourceARN}",
        "powertools_json(body).detail.IdempotencyKey",
        "powertools_json(powertools_base64(messageAttributes.b))",
        "powertools_base64_gzip(messageAttributes.g)",
    ],
)
def test_a_jmespath_key_is_the_one_that_powertools_wrote(
    old: Old, expression: str, hash_function: str
) -> None:
    """Its own JMESPath functions included."""
    compressed = "H4sIAAAAAAAA/0tMSgYAwkEkNQMAAAA="
    encoded = {"b": "eyJhIjogMX0=", "g": compressed}
    message = {**record("m", event_of("k")), "messageAttributes": encoded}
    old.run(SQSRecord(message), event_key_jmespath=expression, hash_function=hash_function)
    assert old.ids() == [PowertoolsKey("old", expression, hash_function)(message)]


@pytest.mark.parametrize("expression", ["nothing", "[nothing, none]", "{a: nothing}", "detail.no"])
def test_what_powertools_takes_for_no_key_is_none_here(old: Old, expression: str) -> None:
    """Powertools ran it unguarded; `@once` refuses it."""
    with pytest.warns(UserWarning, match="No idempotency key"):
        old.run(event_of("k"), event_key_jmespath=expression)
    assert not old.ids()
    assert not PowertoolsKey("old", expression)(event_of("k"))
