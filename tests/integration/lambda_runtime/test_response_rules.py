"""The documented rules by which Lambda reads a batch response, which these tests stand on."""

from __future__ import annotations

import pytest

from tests.integration.lambda_runtime.event_source_mapping import not_deleted


@pytest.mark.parametrize(
    "answer", ["null", "{}", '{"batchItemFailures": []}', '{"batchItemFailures": null}', '""']
)
def test_an_answer_that_names_nothing_deletes_the_batch(answer: str) -> None:
    """Nothing named as failed means that everything succeeded."""
    assert not_deleted(["m0", "m1"], answer) == []


@pytest.mark.parametrize(
    "answer",
    [
        "Task timed out after 2.00 seconds",
        '{"errorType": "ValueError", "errorMessage": "no"}',
        '{"batchItemFailures": [{"itemIdentifier": ""}]}',
        '{"batchItemFailures": [{"itemIdentifier": null}]}',
        '{"batchItemFailures": [{"messageId": "m0"}]}',
        '{"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "of no message"}]}',
    ],
)
def test_an_answer_that_cannot_be_read_keeps_the_batch(answer: str) -> None:
    """An error, no JSON, or one identifier that is none of the batch: everything comes back."""
    assert not_deleted(["m0", "m1"], answer) == ["m0", "m1"]


def test_a_named_message_stays_alone() -> None:
    """The rest of the batch is deleted."""
    answer = '{"batchItemFailures": [{"itemIdentifier": "m1"}]}'
    assert not_deleted(["m0", "m1"], answer) == ["m1"]
