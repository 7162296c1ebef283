"""A stand-in for an AWS account: what is deployed there, and how it is reached."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore

from tests.support.documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODE = ["cxone_idem/**/*.py", "examples/**/*.py", "tests/__init__.py", "tests/support/**/*.py"]
# Where the AWS SDK and jmespath are: on Lambda they come with the runtime or in a layer.
_SITE_PACKAGES = Path(botocore.__file__).parent.parent
_ROLE_ARN = "arn:aws:iam::000000000000:role/consumer"
FUNCTION_TIMEOUT_SECONDS = 10


class Stack:
    """The clients of an account, and the functions in it."""

    def __init__(self, url: str, env: Mapping[str, str]) -> None:
        """Take the environment that all functions have."""
        self.events, self.functions, self.sqs = (
            boto3.client(service, endpoint_url=url) for service in ("events", "lambda", "sqs")
        )
        self._env = {"PYTHONPATH": str(_SITE_PACKAGES), **env}
        self._code = _zipped_code()

    def create_function(self, name: str, handler: str, env: Mapping[str, str]) -> str:
        """Create a Lambda function; return its ARN."""
        answer = self.functions.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role=_ROLE_ARN,
            Handler=handler,
            Code={"ZipFile": self._code},
            Timeout=FUNCTION_TIMEOUT_SECONDS,
            Environment={"Variables": {**self._env, **env}},
        )
        arn: str = answer["FunctionArn"]
        return arn

    def create_rule(
        self, name: str, pattern: dict[str, Any], targets: list[dict[str, Any]]
    ) -> None:
        """Create a rule on the default event bus."""
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        refused = self.events.put_targets(Rule=name, Targets=targets)["FailedEntries"]
        assert not refused


def _zipped_code() -> bytes:
    """Return this library, its examples and the watched functions, as one deploys them."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in (path for pattern in _CODE for path in ROOT.glob(pattern)):
            archive.write(path, path.relative_to(ROOT))
    return file.getvalue()
