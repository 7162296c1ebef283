"""A worker process as the driver holds it: its pipes, and the signals it gets."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.campaign.field import Field
    from tests.campaign.worker import Job

# Nothing is judged by it: a worker that has not started on a busy machine by then never will.
_START_SECONDS = 60.0


class WorkerDiedError(Exception):
    """The worker is gone; what it was given comes back."""


class Process:
    """One worker process, ready to serve."""

    def __init__(self, field: Field, job: Job) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.worker", json.dumps(job._asdict())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=field.errors,
            bufsize=0,
            env=field.env,
        )
        if self.response(time.monotonic() + _START_SECONDS) != "ready":
            self.end()
            message = f"worker {job.number} did not start: see {field.errors.name}"
            raise RuntimeError(message)

    def send(self, invocation: dict[str, Any]) -> None:
        """Hand it an invocation."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(invocation).encode() + b"\n")
        except BrokenPipeError:
            raise WorkerDiedError from None

    def response(self, until: float) -> Any:
        """Return what it answers, or None if it has not answered by then."""
        stdout = self._process.stdout
        assert stdout is not None
        wait_seconds = max(0.0, until - time.monotonic())
        if not select.select([stdout], [], [], wait_seconds)[0]:
            return None
        line = stdout.readline()
        if not line.endswith(b"\n"):
            raise WorkerDiedError
        return json.loads(line)

    def freeze(self, seconds: float) -> None:
        """Stop it for a while, as a paused machine is, and let it go on."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()

    def end(self) -> int:
        """Let it end, if it has not; return its exit code."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        code = process.wait()
        process.stdout.close()
        return code
