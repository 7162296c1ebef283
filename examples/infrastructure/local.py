"""Deploys the SAM template, with a consumer of yours, to an AWS stand-in on this machine.

make local                          runs examples/sqs_lambda/handler.py
make local HANDLER=../handler.py    runs yours: a function `handler` in that file
"""

from __future__ import annotations

import io
import json
import os
import re
import site
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from examples.infrastructure import layer
from examples.local_stack import CREDENTIALS, ministack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXAMPLES = Path(__file__).resolve().parent.parent
TEMPLATE = EXAMPLES / "sam" / "template.yaml"
COMMAND = Path(sys.prefix) / "bin" / "cxone-idem"
HANDLER = EXAMPLES / "sqs_lambda" / "handler.py"
STACK = "cxone"
SERVICES = "cloudformation,cloudwatch,dynamodb,events,iam,kms,lambda,logs,s3,sns,sqs,sts"

# Where `sam package` would have put code and layer; the transform wants to see a place.
_CODE = {"Bucket": "code", "Key": "consumer.zip"}
_LAYER = {"Bucket": "code", "Key": "layer.zip"}
# The stand-in has no log in JSON; this writes it as Lambda's own runtime does.
_RUNTIME_LOG = """
import logging
from awslambdaric.lambda_runtime_log_utils import JsonFormatter
handler = logging.StreamHandler()
handler.setFormatter(JsonFormatter())
logging.basicConfig(level="INFO", handlers=[handler])
logging.getLogger("botocore").setLevel("WARNING")
"""
_RUNTIMES_OWN = ("START RequestId", "END RequestId", "REPORT RequestId")
# This takes less than a second; what is not there by then comes back later, or never.
_PATIENCE_SECONDS = 10
_POLL_SECONDS = 0.2


class Stack:
    """The template on a stand-in; `folder` outlives it."""

    def __init__(
        self,
        endpoint: str,
        folder: Path,
        handler: Path = HANDLER,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._session = boto3.Session()
        self._deploy(folder, handler, parameters or {})
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def client(self, service: str) -> Any:
        """Return an SDK client for a service of the stand-in."""
        # One path for every bucket: a bucket's own host name would need a resolver.
        config = Config(s3={"addressing_style": "path"})
        new_client: Any = self._session.client
        return new_client(service, endpoint_url=self.endpoint, config=config)

    def function(self) -> dict[str, Any]:
        """Return the function's configuration."""
        (function,) = self.client("lambda").list_functions()["Functions"]
        found: dict[str, Any] = function
        return found

    def emit(self, *details: Mapping[str, Any], detail_type: str = "conversation.start") -> Any:
        """Put events on the bus, all in one request; return their EventBridge ids."""
        event = {"Source": "nice.cxone", "DetailType": detail_type}
        answer = self.client("events").put_events(
            Entries=[{**event, "Detail": json.dumps(detail)} for detail in details]
        )
        return [entry["EventId"] for entry in answer["Entries"]]

    def waiting(self, queue: str = "EventsQueue") -> int:
        """Return how many messages a queue holds, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=names
        )["Attributes"]
        return sum(map(int, counts.values()))

    def log(self) -> list[str]:
        """Return the lines of the function's log."""
        logs = self.client("logs")
        (group,) = logs.describe_log_groups()["logGroups"]
        lines = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        return [line["message"].strip() for line in lines]

    def _deploy(self, folder: Path, handler: Path, parameters: Mapping[str, str]) -> None:
        s3 = self.client("s3")
        s3.create_bucket(Bucket=_CODE["Bucket"])
        s3.put_object(**_CODE, Body=_package(handler))
        s3.put_object(**_LAYER, Body=layer.write(folder / "layer.zip").read_bytes())
        # What Lambda's runtime brings: the SDK, and a log in JSON. This library is in the layer.
        (folder / "sitecustomize.py").write_text(_RUNTIME_LOG)
        plain = template()
        function = plain["Resources"]["Consumer"]["Properties"]
        function["Handler"] = f"{handler.stem}.handler"
        path = ":".join([str(folder), *site.getsitepackages()])
        function["Environment"]["Variables"]["PYTHONPATH"] = path
        # The stand-in knows no metric math in templates.
        del plain["Resources"]["InProgressAlarm"]
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(plain),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )
        status = "CREATE_IN_PROGRESS"
        while status == "CREATE_IN_PROGRESS":
            (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
            status = stack["StackStatus"]
        if status != "CREATE_COMPLETE":
            message = f"the stack is {status}: {stack.get('StackStatusReason')}"
            raise RuntimeError(message)
        # The stand-in ignores a table's TTL in a template.
        (table,) = self.client("dynamodb").list_tables()["TableNames"]
        ttl = plain["Resources"]["Records"]["Properties"]["TimeToLiveSpecification"]
        self.client("dynamodb").update_time_to_live(TableName=table, TimeToLiveSpecification=ttl)


def template() -> dict[str, Any]:
    """Return the template as plain CloudFormation, its code at a place in S3."""
    stated = yaml_parse(TEMPLATE.read_text())
    stated["Resources"]["Consumer"]["Properties"]["CodeUri"] = dict(_CODE)
    stated["Resources"]["Library"]["Properties"]["ContentUri"] = dict(_LAYER)
    plain: dict[str, Any] = transform(stated, {}, SimpleNamespace(load=dict))
    # Its id ends with a hash of what it is made from, and `Ref` follows it.
    text = re.sub(r'"Library[0-9a-f]{10}"', '"Library"', json.dumps(plain))
    return dict(json.loads(text))


def _mistake(handler: Path, endpoint: str) -> str:
    """Return why a file is no consumer, or nothing: the stand-in's log would not say it."""
    if handler.suffix != ".py" or not handler.is_file():
        return "it is no Python file; name one with a function `handler`"
    found = subprocess.run(  # noqa: S603 -- the user's own file
        [sys.executable, "-c", f"import {handler.stem}; {handler.stem}.handler"],
        cwd=handler.parent,
        env={**os.environ, "AWS_ENDPOINT_URL": endpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stderr.strip()


def _package(handler: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(handler.parent.glob("*.py")):
            archive.write(path, path.name)
    return packed.getvalue()


def _news(stack: Stack, shown: int) -> Iterator[str]:
    """Yield the log's lines after the first `shown`, without those of every invocation."""
    for line in stack.log()[shown:]:
        if line and not line.startswith(_RUNTIMES_OWN):
            yield line


def _play(stack: Stack, conversation: str) -> None:
    """Emit one event twice, and show what the consumer logs of each."""
    detail = {
        "IdempotencyKey": conversation,
        "conversationId": conversation,
        "eventType": "conversation.start",
    }
    for which in ("first", "second"):
        shown = len(stack.log())
        stack.emit(detail)
        print(f"\n{which} conversation.start of {conversation}:")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (stack.waiting() or len(stack.log()) == shown) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        lines = list(_news(stack, shown)) or ["nothing is logged: it failed before the handler"]
        for line in lines:
            print(f"  {line}")
        if stack.waiting():
            print("  the message is still in the queue: it comes back after 200 s")
            return


def main(handler: Path) -> None:
    """Deploy, and play what is typed until the end of the input."""
    with (
        TemporaryDirectory() as folder,
        ministack({"SERVICES": SERVICES}) as endpoint,
        suppress(KeyboardInterrupt),
    ):
        if mistake := _mistake(handler, endpoint):
            sys.exit(f"error: HANDLER={handler}: {mistake}")
        stack = Stack(endpoint, Path(folder), handler)
        function = stack.function()
        print(f"{handler.name} is deployed. For another terminal:")
        ours = function["Environment"]["Variables"]
        names = ("CXONE_IDEM_TABLE", "CXONE_IDEM_NAMESPACE")
        reached = {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint, **{one: ours[one] for one in names}}
        for name, value in reached.items():
            print(f"  export {name}={value}")
        print(f"  {COMMAND} doctor --function {function['FunctionName']}")
        print("Type the id of a conversation to emit its event twice; Ctrl-D ends.", flush=True)
        for line in sys.stdin:
            if line.strip():
                _play(stack, line.strip())
            sys.stdout.flush()


if __name__ == "__main__":
    # Of an earlier run in this shell; the function must not get it.
    for name in [one for one in os.environ if one.startswith(("AWS_ENDPOINT", "CXONE_IDEM_"))]:
        del os.environ[name]
    os.environ.update(CREDENTIALS)
    main(Path(sys.argv[1]).resolve() if sys.argv[1:] not in ([], [""]) else HANDLER)
