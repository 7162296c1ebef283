"""An operator's walk: one thing is broken at a time, and the guide says what tells it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.integration.infrastructure.alarms import alarmed
from tests.integration.infrastructure.deployment import Deployment, deployed
from tests.integration.infrastructure.faults import KEY, PLANTED
from tests.support.command import Said, run
from tests.support.documents import sections
from tests.support.engines import require

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine


class Told(NamedTuple):
    """What tells of a fault: alarms, a text in the log, checks of the doctor, a command."""

    alarms: list[str]
    log: list[str]
    checks: list[str]
    command: list[str]


TABLE = {
    fault.lower(): Told(*(re.findall(r"`(.+?)`", cell) for cell in cells.split("|")))
    for fault, cells in re.findall(
        r"^\| ([^|`]+?) \|(.*)\|$", sections()["What tells you what is broken"], re.MULTILINE
    )
    if fault not in {"broken", "---"}
}


@pytest.fixture
def stack() -> Iterator[Deployment]:
    """Return a fresh stack, all of it as the template says."""
    require("ministack")
    with deployed() as deployment:
        yield deployment


def examined(stack: Deployment) -> list[str]:
    """Return the checks of the doctor that have something to say."""
    name = stack.function()["FunctionName"]
    said = run(["doctor", "--function", name, "--json"], AWS_ENDPOINT_URL=stack.endpoint)
    return sorted(
        {finding["check"] for finding in said.data if finding["status"] in {"wrong", "advice"}}
    )


def follow(command: str, stack: Deployment) -> Said:
    """Run the command that the guide names, on what the fault left."""
    where = ["--function", stack.function()["FunctionName"]]
    arguments = {
        "show": ["show", *{record["id"].partition("#")[2] for record in stack.records()}, *where],
        "duplicates": ["duplicates"],
        "dead-letters": ["dead-letters", "--queue", stack.outputs["DeadLettersQueue"], *where],
    }[command]
    return run(arguments, "\n".join(stack.log()), AWS_ENDPOINT_URL=stack.endpoint)


def test_the_guide_lists_every_fault() -> None:
    """Row by row, and no other."""
    assert list(TABLE) == list(PLANTED)


def test_a_healthy_stack_has_nothing_to_tell(stack: Deployment) -> None:
    """Control: no alarm, no finding, no line but those of work that is done."""
    stack.emit({"IdempotencyKey": KEY, "eventType": "conversation.start"})
    assert (alarmed(stack), examined(stack)) == ([], [])


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_is_told_as_the_guide_says(stack: Deployment, fault: str) -> None:
    """The alarms, the doctor's checks: these and no others; the line of the log, the command."""
    PLANTED[fault](stack)
    told = TABLE[fault]
    log = "\n".join(stack.log())
    assert alarmed(stack) == sorted(told.alarms)
    assert [text for text in told.log if text not in log] == []
    assert examined(stack) == sorted(told.checks)
    for command in told.command:
        assert re.search(ANSWERS[fault], follow(command, stack).out), command


ANSWERS = {
    "the handler has a bug": KEY,
    "the work outlasts the time out": "IN_PROGRESS",
    "the key is too coarse": "DONE",
    "two rules send the same events": "eventbridge_delivered_twice",
    "cxone emits again": "cxone_emitted_again",
}
"""What the command's answer has in it, where the guide names a command."""
