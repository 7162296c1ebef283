"""A worker process as the driver holds it: its pipe, and the signals it gets."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from tests.verification.campaign import worker

if TYPE_CHECKING:
    from tests.verification.campaign.worker import Job

# Nothing is judged by it: a worker that has not started on a busy machine by then never will.
_START_SECONDS = 60.0

# Workers are forked off a server process that has imported the AWS SDK: a new one then costs
# milliseconds, so kills can be many.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.verification.campaign.warm"])
# Starting one polls the others; two threads that poll one process lose its exit code.
_one_at_a_time = Lock()


class WorkerDiedError(Exception):
    """The worker is gone; what it was given comes back."""


class Process:
    """One worker process, ready to serve."""

    def __init__(self, job: Job) -> None:
        self._pipe, theirs = _processes.Pipe()
        self._process = _processes.Process(target=worker.main, args=(job, theirs), daemon=True)
        with _one_at_a_time:
            self._process.start()
        theirs.close()
        if self.response(time.monotonic() + _START_SECONDS) != "ready":
            message = f"worker {job.number} did not start in {_START_SECONDS:.0f} s"
            raise RuntimeError(message)

    def send(self, invocation: dict[str, Any]) -> None:
        """Hand it an invocation."""
        try:
            self._pipe.send(invocation)
        except OSError:
            raise WorkerDiedError from None

    def response(self, until: float) -> Any:
        """Return what it answers, or None if it has not answered by then."""
        try:
            answered = self._pipe.poll(max(0.0, until - time.monotonic()))
            return self._pipe.recv() if answered else None
        except (EOFError, OSError):
            raise WorkerDiedError from None

    def freeze(self, seconds: float) -> None:
        """Stop it for a while, as a paused machine is, and let it go on."""
        self._signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._signal(signal.SIGKILL)

    def end(self) -> int | None:
        """Let it end, if it has not; return its exit code."""
        self._pipe.close()
        with _one_at_a_time:
            self._process.join()
            code = self._process.exitcode
            self._process.close()
        return code

    def _signal(self, number: int) -> None:
        """Send a signal to it and its children."""
        assert self._process.pid is not None
        with suppress(ProcessLookupError):  # it has just killed itself
            os.killpg(self._process.pid, number)
