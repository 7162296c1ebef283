"""EventBridge → Lambda without a queue: the asynchronous example, deployed to ministack.

ministack invokes a rule's function once; Lambda would invoke it again after an error. So what is
tried again is tested by asynchronous invocations, where ministack does as Lambda.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.events import envelope
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.pipeline.stack import Stack
    from tests.support.journal import Journal

pytestmark = pytest.mark.engine

FUNCTION = "direct"


@pytest.fixture(scope="module")
def journal(stack: Stack, new_journal: Callable[[str], Journal]) -> Journal:
    """Return the journal of the deployed function, which two rules invoke."""
    journal = new_journal(FUNCTION)
    arn = stack.create_function(
        FUNCTION, "tests.support.watched.direct.once", {"JOURNAL": str(journal.path)}
    )
    for rule, pattern in (
        ("every start", {"detail-type": ["direct.start"]}),
        ("every event of CXone", {"source": ["nice.cxone.direct"]}),
    ):
        stack.create_rule(rule.replace(" ", "-"), pattern, [{"Id": FUNCTION, "Arn": arn}])
    return journal


def test_two_rules_and_two_emissions_have_one_effect(stack: Stack, journal: Journal) -> None:
    """Four invocations, some of them side by side, of two events with one `IdempotencyKey`."""
    entry: Any = {
        "Source": "nice.cxone.direct",
        "DetailType": "direct.start",
        "Detail": json.dumps({"eventType": "conversation.start", "IdempotencyKey": "k"}),
    }
    assert not stack.events.put_events(Entries=[entry, entry])["FailedEntryCount"]
    until(lambda: len(journal.entries("delivered", key="k")) == 4)
    until(lambda: journal.entries("effect", key="k"))
    event = {**envelope("k"), "id": "a later emission"}
    stack.functions.invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    assert len(journal.entries("delivered", key="k")) == 5
    assert len(journal.entries("effect", key="k")) == 1


def test_an_invocation_that_fails_is_tried_again_and_has_its_effect(
    stack: Stack, journal: Journal, records: Any
) -> None:
    """The first try gives its claim up, so that Lambda's second one need not wait for a lease."""
    event = envelope("fails")
    event["detail"]["fault"] = "fails once"
    stack.functions.invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps(event))
    until(lambda: len(journal.entries("delivered", key="fails")) == 2)
    until(lambda: records.item(f"{FUNCTION}#fails")["state"] == {"S": "DONE"})
    assert records.item(f"{FUNCTION}#fails")["generation"] == {"N": "2"}
    assert len(journal.entries("effect", key="fails")) == 1
