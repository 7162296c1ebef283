"""In Amazon's own Lambda runtime the function answers in time, whatever DynamoDB does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from examples.local_stack import free_port
from tests.integration.lambda_runtime.engine_behind import engine_behind
from tests.integration.lambda_runtime.event_source_mapping import EventSourceMapping
from tests.support.events import batch, envelope, record
from tests.support.scripted_dynamodb import ScriptedDynamoDB, of_completions, silent, throttled
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.lambda_runtime.runtime import Runtime
    from tests.support.journal import Journal

pytestmark = pytest.mark.engine

WATCHED = "tests.support.watched.sqs.once"
# By default a function's records are in a namespace of its name.
NAMESPACE = "cxone-events"
LAMBDA_DEFAULT_SECONDS = 3
KEYS = [f"k{number}" for number in range(10)]


@pytest.fixture
def engine(shared_table: Any) -> Any:
    """Return the script that goes well."""
    return engine_behind(shared_table.endpoint)


@pytest.fixture
def dynamodb(engine: Any) -> Iterator[ScriptedDynamoDB]:
    """Return what stands between the function and the engine; at first all goes well."""
    with ScriptedDynamoDB().running() as server:
        server.script = engine
        yield server


@pytest.fixture
def mapping_to(deploy: Callable[..., Runtime]) -> Callable[[str, int], EventSourceMapping]:
    """Return what starts the function against an endpoint, and the queue before it."""

    def start(endpoint: str, timeout_seconds: int) -> EventSourceMapping:
        runtime = deploy(WATCHED, timeout_seconds, AWS_ENDPOINT_URL_DYNAMODB=endpoint)
        # The emulator counts a cold start as part of the first invocation.
        until(lambda: "timed out" not in runtime.invoke(batch()))
        return EventSourceMapping([runtime])

    return start


def deliver(mapping: EventSourceMapping) -> bool:
    """Deliver the ten events once more; tell whether all are deleted."""
    mapping.queue.clear()
    mapping.send(*(record(f"message-of-{key}", envelope(key)) for key in KEYS))
    nothing_left = mapping.deliver()
    assert "timed out" not in mapping.answers[-1]
    return nothing_left


def effects(journal: Journal) -> Counter[str]:
    """Return how often each event had its effect."""
    return Counter(entry["key"] for entry in journal.entries("effect"))


def test_completions_that_are_throttled_are_logged_and_repeat_nothing(
    dynamodb: ScriptedDynamoDB,
    engine: Any,
    mapping_to: Callable[[str, int], EventSourceMapping],
    journal: Journal,
    shared_table: Any,
) -> None:
    """Ten events, ten effects and ten lines; a redelivery finds them done, and records them."""
    mapping = mapping_to(dynamodb.url, 6)
    dynamodb.script = of_completions(throttled, rest=engine)
    assert deliver(mapping)
    told = [line for line in mapping.output() if "is not recorded yet" in line]
    assert sorted(key for key in KEYS for line in told if f"message-of-{key}" in line) == KEYS
    dynamodb.script = engine
    assert deliver(mapping)
    assert effects(journal) == dict.fromkeys(KEYS, 1)
    states = [shared_table.item(f"{NAMESPACE}#{key}")["state"]["S"] for key in KEYS]
    assert states == ["DONE"] * len(KEYS)


def test_hanging_claims_fail_in_the_default_time_out(
    dynamodb: ScriptedDynamoDB,
    engine: Any,
    mapping_to: Callable[[str, int], EventSourceMapping],
    journal: Journal,
) -> None:
    """Nothing runs unclaimed; all of it comes back and runs once when DynamoDB answers again."""
    mapping = mapping_to(dynamodb.url, LAMBDA_DEFAULT_SECONDS)
    dynamodb.script = silent
    assert not deliver(mapping)
    assert len(mapping.queue) == len(KEYS)
    assert effects(journal) == {}
    dynamodb.script = engine
    until(lambda: deliver(mapping))
    assert effects(journal) == dict.fromkeys(KEYS, 1)


def test_hanging_completions_are_acknowledged_in_the_default_time_out(
    dynamodb: ScriptedDynamoDB,
    engine: Any,
    mapping_to: Callable[[str, int], EventSourceMapping],
    journal: Journal,
) -> None:
    """What is done is deleted, and not done again."""
    mapping = mapping_to(dynamodb.url, LAMBDA_DEFAULT_SECONDS)
    dynamodb.script = of_completions(silent, rest=engine)
    assert deliver(mapping)
    dynamodb.script = engine
    assert deliver(mapping)
    assert effects(journal) == dict.fromkeys(KEYS, 1)


def test_refused_connections_fail_in_the_default_time_out(
    mapping_to: Callable[[str, int], EventSourceMapping], journal: Journal
) -> None:
    """Nobody listens: all messages come back."""
    mapping = mapping_to(f"http://127.0.0.1:{free_port()}", LAMBDA_DEFAULT_SECONDS)
    assert not deliver(mapping)
    assert len(mapping.queue) == len(KEYS)
    assert effects(journal) == {}
