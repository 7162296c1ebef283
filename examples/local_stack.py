"""Starts the local AWS stand-in (ministack) on loopback, for the demo and the tests."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ENGINES = Path(__file__).resolve().parent.parent / ".engines"
MINISTACK = ENGINES / "ministack" / "bin" / "ministack"

# A cold Java or Python start takes 1 to 4 s on two busy cores; a minute means it never will.
_START_SECONDS = 60

SERVICES = "dynamodb,sqs,lambda,events,iam,sts"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""What an AWS SDK wants to see before it talks to a stand-in."""


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(
    command: Sequence[str | Path],
    url: str,
    env: Mapping[str, str],
    cwd: Path | None = None,
    output: IO[bytes] | int = subprocess.DEVNULL,
) -> Iterator[str]:
    """Run `command` until the block ends; yield `url` once it answers there."""
    with subprocess.Popen(  # noqa: S603 -- the caller's own engine
        [str(part) for part in command],
        env={**os.environ, **env},
        cwd=cwd,
        stdout=output,
        stderr=output,
    ) as process:
        try:
            _wait_until_it_answers(process, url)
            yield url
        finally:
            process.terminate()


@contextmanager
def ministack(env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run DynamoDB, SQS, EventBridge and Lambda on loopback; yield the endpoint's URL."""
    port = free_port()
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "LAMBDA_EXECUTOR": "local",
        "SERVICES": SERVICES,
        **(env or {}),
    }
    with server([MINISTACK], f"http://127.0.0.1:{port}", settings) as url:
        yield url


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    # A proxy that the environment names would be asked for its own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if process.poll() is not None:
            message = f"{process.args!r} ended with code {process.returncode} before it answered"
            raise RuntimeError(message)
        try:
            opener.open(url, timeout=1).close()
        except urllib.error.HTTPError:
            return  # an error page is an answer
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"{process.args!r} did not answer at {url} within {_START_SECONDS} s"
    raise RuntimeError(message)
