"""The SAM template, deployed to the local stand-in as `sam deploy` would to AWS."""

from __future__ import annotations

import io
import json
import site
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig

from examples.infrastructure import layer
from examples.local_stack import ministack
from tests.integration.infrastructure import sam
from tests.support.documents import ROOT
from tests.support.events import batch, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STACK = "cxone"
_SERVICES = "cloudformation,cloudwatch,dynamodb,events,iam,kms,lambda,logs,s3,sns,sqs,sts"
# All this takes seconds; who waits this long has met a defect.
_PATIENCE_SECONDS = 60
_RUNTIME_LOG = """
import logging
from awslambdaric.lambda_runtime_log_utils import JsonFormatter
handler = logging.StreamHandler()
handler.setFormatter(JsonFormatter())
logging.basicConfig(level="INFO", handlers=[handler])
"""
# Between two questions the stand-in gets the processor.
_POLL_SECONDS = 0.05


class Deployment:
    """The deployed stack: what goes in, and what can be seen of what came of it."""

    def __init__(self, endpoint: str, folder: Path, parameters: Mapping[str, str]) -> None:
        self.endpoint = endpoint
        self._folder = folder
        self._parameters = parameters
        self.errors: list[str] = []
        """What invocations raised, as Lambda's runtime logs it."""
        self.throttles = 0
        self._new_client: Any = boto3.Session().client
        self.sqs = self.client("sqs")
        self._deploy()
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def client(self, service: str) -> Any:
        """Return an SDK client for a service of the stand-in."""
        # One path for every bucket: a bucket's own host name would need a resolver.
        config = ClientConfig(s3={"addressing_style": "path"})
        return self._new_client(service, endpoint_url=self.endpoint, config=config)

    def emit(self, *details: dict[str, Any], detail_type: str = "conversation.start") -> list[str]:
        """Put events on the bus, all in one request; return their EventBridge ids."""
        answer = self.client("events").put_events(
            Entries=[
                {"Source": "nice.cxone", "DetailType": detail_type, "Detail": json.dumps(detail)}
                for detail in details
            ]
        )
        return [entry["EventId"] for entry in answer["Entries"]]

    def records(self) -> list[dict[str, Any]]:
        """Return the records, their attributes' types left out."""
        items = self.client("dynamodb").scan(TableName=self.outputs["RecordsTable"])["Items"]
        return [
            {name: next(iter(typed.values())) for name, typed in item.items()} for item in items
        ]

    def log(self) -> list[str]:
        """Return the lines of the function's log."""
        logs = self.client("logs")
        (group,) = logs.describe_log_groups()["logGroups"]
        lines = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        return [*(line["message"].strip() for line in lines), *self.errors]

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
        return self.visible(queue) + self._count(queue, "ApproximateNumberOfMessagesNotVisible")

    def visible(self, queue: str) -> int:
        """Return how many messages of a queue could be received now."""
        return self._count(queue, "ApproximateNumberOfMessages")

    def _count(self, queue: str, name: str) -> int:
        url = self.outputs[queue]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])

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

    def function(self) -> dict[str, Any]:
        """Return the function's configuration."""
        (function,) = self.client("lambda").list_functions()["Functions"]
        found: dict[str, Any] = function
        return found

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

    def _deploy(self) -> None:
        s3 = self.client("s3")
        s3.create_bucket(Bucket=sam.CODE["Bucket"])
        s3.put_object(**sam.CODE, Body=_package())
        s3.put_object(**sam.LAYER, Body=layer.write(self._folder / "layer.zip").read_bytes())
        template = sam.transformed()
        # What Lambda's runtime brings: the SDK, and a log in JSON. This library is in the layer.
        (self._folder / "sitecustomize.py").write_text(_RUNTIME_LOG)
        function = template["Resources"]["Consumer"]["Properties"]
        path = ":".join([str(self._folder), *site.getsitepackages()])
        function["Environment"]["Variables"]["PYTHONPATH"] = path
        # The stand-in knows no metric math in templates.
        del template["Resources"]["InProgressAlarm"]
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(template),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in self._parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )
        status = "CREATE_IN_PROGRESS"
        while status == "CREATE_IN_PROGRESS":
            (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
            status = stack["StackStatus"]
        assert status == "CREATE_COMPLETE", stack


@contextmanager
def deployed(**parameters: str) -> Iterator[Deployment]:
    """Run the stand-in with the stack on it, each parameter not named at its default."""
    with TemporaryDirectory() as folder, ministack({"SERVICES": _SERVICES}) as endpoint:
        yield Deployment(endpoint, Path(folder), parameters)


def until(fact: Callable[[], bool], what: str) -> None:
    """Return once `fact` holds; fail naming `what` was waited for."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    pause = Event()
    while not fact():
        assert time.monotonic() < deadline, f"waited {_PATIENCE_SECONDS} s in vain: {what}"
        pause.wait(_POLL_SECONDS)


def _package() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(ROOT / "examples" / "sqs_lambda" / "handler.py", "handler.py")
    return packed.getvalue()
