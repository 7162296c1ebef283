"""The SAM template, deployed to the local stand-in as `sam deploy` would to AWS."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, Any

from examples.infrastructure.local import SERVICES, STACK, Stack
from examples.local_stack import ministack
from tests.support.events import batch, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# All this takes seconds; who waits this long has met a defect.
_PATIENCE_SECONDS = 60
# Between two questions the stand-in gets the processor.
_POLL_SECONDS = 0.05


class Deployment:
    """The deployed stack: what goes in, and what can be seen of what came of it."""

    def __init__(self, stack: Stack) -> None:
        self.endpoint = stack.endpoint
        self.outputs = stack.outputs
        self.client = stack.client
        self.function = stack.function
        self.emit = stack.emit
        self._stack = stack
        self.errors: list[str] = []
        """What invocations raised, as Lambda's runtime logs it."""
        self.throttles = 0
        self.sqs = self.client("sqs")

    def records(self) -> list[dict[str, Any]]:
        """Return the records, their attributes' types left out."""
        items = self.client("dynamodb").scan(TableName=self.outputs["RecordsTable"])["Items"]
        return [
            {name: next(iter(typed.values())) for name, typed in item.items()} for item in items
        ]

    def log(self) -> list[str]:
        """Return the lines of the function's log."""
        return [*self._stack.log(), *self.errors]

    def invoke(self, event: dict[str, Any]) -> None:
        """Invoke the function with one message, as its mapping does.

        Of invocations by the mapping the stand-in neither counts nor logs what they raise.
        """
        client = self.client("lambda")
        name = self.function()["FunctionName"]
        message = json.dumps(batch(record("m1", event)))
        try:
            answer = client.invoke(FunctionName=name, Payload=message)
        except client.exceptions.TooManyRequestsException:
            self.throttles += 1
            return
        if "FunctionError" in answer:
            self.errors.append(answer["Payload"].read().decode())

    def effects(self) -> list[str]:
        """Return what the handler printed, one line for each event it processed."""
        return [line for line in self.log() if "processed event" in line]

    def waiting(self, queue: str) -> int:
        """Return how many messages a queue holds, in flight or not."""
        return self._stack.waiting(queue)

    def visible(self, queue: str) -> int:
        """Return how many messages of a queue could be received now."""
        answer = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    @contextmanager
    def bringing_back_soon(self) -> Iterator[None]:
        """Shorten the wait before a failed message comes back; how often it does stays."""
        self.set_visibility(1)
        yield
        self.set_visibility(200)

    def dead_letter(self) -> dict[str, Any]:
        """Receive one dead letter, which counts as a receive of its own."""
        answer = self.sqs.receive_message(
            QueueUrl=self.outputs["DeadLettersQueue"],
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        (letter,) = answer["Messages"]
        received: dict[str, Any] = letter
        return received

    # What breaks it. ----------------------------------------------------------------------------

    def configure(self, **settings: Any) -> None:
        """Change the function's configuration."""
        name = self.function()["FunctionName"]
        self.client("lambda").update_function_configuration(FunctionName=name, **settings)

    def set_environment(self, **variables: str) -> None:
        """Set variables of the function's environment; an empty text takes one away."""
        known = {**self.function()["Environment"]["Variables"], **variables}
        left = {name: value for name, value in known.items() if value}
        self.configure(Environment={"Variables": left})

    def set_visibility(self, seconds: int) -> None:
        """Set the visibility timeout of the events queue."""
        self.sqs.set_queue_attributes(
            QueueUrl=self.outputs["EventsQueue"], Attributes={"VisibilityTimeout": str(seconds)}
        )

    def set_ttl(self, *, on: bool) -> None:
        """Switch the TTL of the table on or off."""
        self.client("dynamodb").update_time_to_live(
            TableName=self.outputs["RecordsTable"],
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": on},
        )

    def let_in(self, queue: str, *rule_arns: str) -> None:
        """Have a queue's policy let these rules in, and no others."""
        arn = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arns}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.outputs[queue], Attributes={"Policy": policy})

    def rule(self) -> dict[str, Any]:
        """Return the rule that the template made."""
        rules = self.client("events").list_rules()["Rules"]
        (rule,) = (rule for rule in rules if STACK in rule["Name"])
        found: dict[str, Any] = rule
        return found

    def target(self) -> dict[str, Any]:
        """Return the target of that rule."""
        answer = self.client("events").list_targets_by_rule(Rule=self.rule()["Name"])
        (target,) = answer["Targets"]
        found: dict[str, Any] = target
        return found


@contextmanager
def deployed(**parameters: str) -> Iterator[Deployment]:
    """Run the stand-in with the stack on it, each parameter not named at its default."""
    with TemporaryDirectory() as folder, ministack({"SERVICES": SERVICES}) as endpoint:
        yield Deployment(Stack(endpoint, Path(folder), parameters=parameters))


def until(fact: Callable[[], bool], what: str) -> None:
    """Return once `fact` holds; fail naming `what` was waited for."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    pause = Event()
    while not fact():
        assert time.monotonic() < deadline, f"waited {_PATIENCE_SECONDS} s in vain: {what}"
        pause.wait(_POLL_SECONDS)
