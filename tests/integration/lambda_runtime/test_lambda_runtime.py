"""The SQS example in Amazon's own Lambda runtime, behind an event source mapping of the tests."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator
from tests.integration.lambda_runtime.event_source_mapping import EventSourceMapping
from tests.integration.lambda_runtime.relay import relay
from tests.support.events import batch_of, envelope, record
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.lambda_runtime.runtime import Runtime
    from tests.support.journal import Journal

    Deploy = Callable[..., Runtime]

pytestmark = pytest.mark.engine

EXAMPLE = "examples.sqs_lambda.handler.handler"
WATCHED = "tests.support.watched.sqs.once"
# By default a function's records are in a namespace of its name.
NAMESPACE = "cxone-events"


def effects(*runtimes: Runtime) -> Counter[str]:
    """Return how often the unchanged example says that it processed each event."""
    lines = [line for runtime in runtimes for line in runtime.output()]
    return Counter(line.partition("event-of-")[2] for line in lines if "processed event" in line)


def faulty(message_id: str, key: str, fault: str) -> dict[str, Any]:
    """Return a message whose event brings a fault upon the watched function."""
    event = envelope(key)
    event["detail"]["fault"] = fault
    return record(message_id, event)


def test_the_example_answers_partial_failures(deploy: Deploy, shared_table: Any) -> None:
    """Done and duplicate go; no key, no JSON and in progress elsewhere stay, the last till then."""
    elsewhere = Deduplicator(shared_table.store(), Config(namespace=NAMESPACE)).claim("busy")
    assert elsewhere
    runtime = deploy(EXAMPLE)
    mapping = EventSourceMapping([runtime])
    mapping.send(
        record("m0", envelope("k1")),
        record("m1", envelope("k1")),
        record("m2", envelope(None, id="")),
        record("m3", "no JSON"),
        record("m4", envelope("busy")),
        record("m5", envelope("k2")),
    )
    mapping.deliver()
    assert [message["messageId"] for message in mapping.queue] == ["m2", "m3", "m4"]
    assert effects(runtime) == {"k1": 1, "k2": 1}
    elsewhere.release()
    mapping.deliver()
    assert [message["messageId"] for message in mapping.queue] == ["m2", "m3"]
    assert effects(runtime) == {"k1": 1, "k2": 1, "busy": 1}


@pytest.mark.parametrize(("disabled", "times"), [("", 1), ("true", 2)])
def test_copies_in_two_runtimes_have_one_effect(deploy: Deploy, disabled: str, times: int) -> None:
    """Copies processed side by side have one effect a key; with the library disabled, two."""
    keys = [f"k{number}" for number in range(20)]
    pool = [deploy(EXAMPLE, CXONE_IDEM_DISABLED=disabled) for _ in range(2)]
    mapping = EventSourceMapping(pool, batch_size=5)
    for start in range(0, len(keys), 5):
        for copy in "ab":
            mapping.send(
                *(record(f"{key}-{copy}", envelope(key)) for key in keys[start : start + 5])
            )
    until(mapping.deliver)
    assert effects(*pool) == dict.fromkeys(keys, times)


def test_a_killed_invocation_is_taken_over(
    deploy: Deploy, journal: Journal, shared_table: Any
) -> None:
    """At its time-out Lambda kills the runtime; the lease ends with the invocation, not later."""
    timeout_seconds = 2
    pool = [deploy(WATCHED, timeout_seconds) for _ in range(2)]
    for runtime in pool:
        until(lambda runtime=runtime: "timed out" not in runtime.invoke(batch_of("warm")))  # type: ignore[misc]
    mapping = EventSourceMapping(pool)
    mapping.send(record("m0", envelope("done")), faulty("m1", "killed", "hangs once"))
    mapping.deliver()
    assert mapping.answers == ["Task timed out after 2.00 seconds"]
    left = shared_table.item(f"{NAMESPACE}#killed")
    assert (left["state"], left["generation"]) == ({"S": "IN_PROGRESS"}, {"N": "1"})
    lease_ms = int(left["lease_until_ms"]["N"]) - int(left["claimed_at_ms"]["N"])
    margins_ms = 1_000 + 3_000  # what may still be on its way, and clocks that differ
    assert lease_ms <= timeout_seconds * 1_000 + margins_ms
    until(mapping.deliver)
    taken_over = shared_table.item(f"{NAMESPACE}#killed")
    assert (taken_over["state"], taken_over["generation"]) == ({"S": "DONE"}, {"N": "2"})
    assert len(journal.entries("started", key="killed")) == 2
    assert len(journal.entries("effect", key="killed")) == 1
    assert len(journal.entries("effect", key="done")) == 1


def test_an_answer_that_never_comes_repeats_nothing(deploy: Deploy, journal: Journal) -> None:
    """The runtime dies between the work and its answer: all comes back, and is known as done."""
    mapping = EventSourceMapping([deploy(WATCHED)])
    mapping.send(record("m0", envelope("k0")), faulty("m1", "k1", "dies once"))
    mapping.deliver()
    assert "Runtime.ExitError" in mapping.answers[0]
    assert len(mapping.queue) == 2
    assert mapping.deliver()
    assert [entry["key"] for entry in journal.entries("effect")] == ["k0", "k1"]


def test_a_warm_runtime_keeps_its_client_and_connection(
    deploy: Deploy, journal: Journal, shared_table: Any
) -> None:
    """The client is made while Lambda initialises the function; one connection serves all."""
    with relay(shared_table.endpoint) as wire:
        runtime = deploy(WATCHED, AWS_ENDPOINT_URL_DYNAMODB=wire.url)
        for key in ("k0", "k1", "k2"):
            runtime.invoke(batch_of(key))
        assert wire.connections == 1
    happened = [entry["what"] for entry in journal.entries()]
    assert happened == ["client", "initialised", *["delivered", "started", "effect"] * 3]


def test_a_wrong_setting_fails_the_initialisation_by_name(deploy: Deploy) -> None:
    """Nothing is processed, nothing deleted, and the answer says which variable is wrong."""
    mapping = EventSourceMapping([deploy(EXAMPLE, CXONE_IDEM_LEASE_SECONDS="wrong")])
    mapping.send(record("m0", envelope("k0")))
    mapping.deliver()
    assert len(mapping.queue) == 1
    assert "CXONE_IDEM_LEASE_SECONDS='wrong'" in mapping.answers[0]
