"""Amazon's Lambda runtime behind its interface emulator: one execution environment over HTTP."""

from __future__ import annotations

import json
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from examples.local_stack import free_port, server
from tests.support.documents import ROOT
from tests.support.engines import LAMBDA_RIE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Longer than any function's time-out in these tests, on however busy a machine.
_PATIENCE_SECONDS = 60


class Function(NamedTuple):
    """What a function is deployed with."""

    handler: str
    timeout_seconds: int
    env: Mapping[str, str]


class Runtime:
    """One execution environment. A second invocation during one makes the emulator end."""

    def __init__(self, url: str, output: Path) -> None:
        self._url = f"{url}/2015-03-31/functions/function/invocations"
        self._output = output
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def invoke(self, event: Any) -> str:
        """Return the body of the answer, of whatever status: the emulator's tells nothing."""
        request = urllib.request.Request(self._url, json.dumps(event).encode())  # noqa: S310 -- loopback
        try:
            with self._opener.open(request, timeout=_PATIENCE_SECONDS) as answer:
                body: bytes = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
        return body.decode()

    def output(self) -> list[str]:
        """Return what the function and the runtime have printed so far."""
        return self._output.read_text().splitlines()


@contextmanager
def running(function: Function, output: Path) -> Iterator[Runtime]:
    """Deploy a function to an execution environment of its own until the block ends."""
    port, api_port = free_port(), free_port()
    command = [
        *(str(LAMBDA_RIE), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{api_port}"),
        *(sys.executable, "-m", "awslambdaric", function.handler),
    ]
    env = {
        "AWS_LAMBDA_FUNCTION_NAME": "cxone-events",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_seconds),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "LAMBDA_TASK_ROOT": str(ROOT),
        **function.env,
    }
    with (
        output.open("wb") as file,
        server(command, f"http://127.0.0.1:{port}", env, cwd=ROOT, output=file) as url,
    ):
        yield Runtime(url, output)
