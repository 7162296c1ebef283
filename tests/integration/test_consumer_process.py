"""Consumer processes that are stopped or killed: what becomes of the messages they have."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from select import select
from typing import IO, TYPE_CHECKING, Any, cast

import pytest

from cxone_idem import AlreadyDone, Claimed, Config, Deduplicator, DynamoDBStore
from cxone_idem.sqs.consumer import Consumer, ServedQueue
from tests.support.engines import DynamoDBTable, send
from tests.support.events import envelope
from tests.support.queues import Polled, TestQueue, sqs_on
from tests.support.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine

# A process on a busy machine starts within seconds; a minute means that it never will.
PATIENCE_SECONDS = 60
# The shortest there is: the queue brings back what a dead process had 4 s later.
SHORT_LEASE_SECONDS = 1
# Docker's default, and what `docker stop` and Compose wait before SIGKILL.
GRACE_SECONDS = 10


class Stage:
    """A queue and a table on one engine, and the named pipes of the handlers."""

    def __init__(self, sqs: Any, home: Path) -> None:
        self.queue = TestQueue(sqs)
        self.endpoint = sqs.meta.endpoint_url
        self.table = DynamoDBTable(frozenset(), self.endpoint, send)
        self.started, self.latch = home / "started", home / "latch"
        os.mkfifo(self.started)
        os.mkfifo(self.latch)
        # Open for both, so that no open waits for the other side.
        self._started = os.open(self.started, os.O_RDWR)
        self._keys = open(self._started, "rb", buffering=0)  # noqa: SIM115, PTH123 -- see `close`
        self._latch = os.open(self.latch, os.O_RDWR)

    @contextmanager
    def consumer(
        self, lease_seconds: float = 300, *options: str
    ) -> Iterator[subprocess.Popen[str]]:
        """Run a consumer process until the block ends."""
        arguments = [
            "--queue",
            self.queue.name,
            "--handler",
            "tests.support.latched_handler:process",
            *options,
        ]
        with subprocess.Popen(
            [sys.executable, "-m", "cxone_idem", "consume", *arguments],
            env={
                **os.environ,
                "AWS_ENDPOINT_URL": self.endpoint,
                "CXONE_IDEM_TABLE": self.table.name,
                "CXONE_IDEM_NAMESPACE": "none",
                "CXONE_IDEM_LEASE_SECONDS": str(lease_seconds),
                "STARTED": str(self.started),
                "LATCH": str(self.latch),
            },
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def next_started(self) -> str:
        """Return the key whose handler starts next; wait for it."""
        ready, _, _ = select([self._started], [], [], PATIENCE_SECONDS)
        assert ready, "no handler started"
        return self._keys.readline().strip().decode()

    def let_go(self) -> None:
        """Let the handler that waits return."""
        os.write(self._latch, b"go\n")

    def close(self) -> None:
        """Close the pipes."""
        self._keys.close()
        os.close(self._latch)

    def deduplicator(self) -> Deduplicator:
        """Return another worker."""
        return Deduplicator(DynamoDBStore(self.table.name, self.table.client))


@pytest.fixture(scope="module")
def sqs() -> Iterator[Any]:
    """Return a client of SQS, over HTTP."""
    with sqs_on("ministack") as client:
        yield client


@pytest.fixture
def stage(sqs: Any, tmp_path: Path) -> Iterator[Stage]:
    """Return a fresh queue and table."""
    made = Stage(sqs, tmp_path)
    yield made
    made.close()


def test_sigterm_finishes_the_running_handler_and_gives_back_the_rest(stage: Stage) -> None:
    """Exit code 0; one deleted and done, two visible at once, and worked on by the next process."""
    stage.queue.send(*(envelope(key) for key in ("a", "b", "c")))
    with stage.consumer() as process:
        first = stage.next_started()
        process.send_signal(signal.SIGTERM)
        stage.let_go()
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert "serving" in said.splitlines()[0]
    assert "stopped serving" in said
    assert stage.queue.counts() == (2, 0)
    assert isinstance(stage.deduplicator().claim(first), AlreadyDone)
    with stage.consumer() as process:
        second = stage.next_started()
        stage.let_go()
        third = stage.next_started()
        process.send_signal(signal.SIGTERM)
        stage.let_go()
        process.communicate(timeout=PATIENCE_SECONDS)
    assert {first, second, third} == {"a", "b", "c"}
    assert stage.queue.counts() == (0, 0)


def test_a_start_that_hangs_is_stopped_in_time() -> None:
    """SQS takes the first request and never answers; nothing was received that could be lost."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        command = ["consume", "--queue", "q", "--handler", "builtins:print"]
        with subprocess.Popen(
            [sys.executable, "-m", "cxone_idem", *command],
            env={**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{hung.getsockname()[1]}"},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            hung.settimeout(PATIENCE_SECONDS)
            connection, _ = hung.accept()
            stopped_at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
            connection.close()
    assert time.monotonic() - stopped_at < GRACE_SECONDS / 5
    assert process.returncode == 0
    assert "set CXONE_IDEM_NAMESPACE" in said


@pytest.mark.parametrize("pollers", ["1", "3"])
def test_an_idle_process_stops_in_time_and_keeps_nothing_back(stage: Stage, pollers: str) -> None:
    """What its last poll receives, after the signal, is visible again at once and has not run."""
    with stage.consumer(300, "--pollers", pollers) as process:
        said_so_far = cast("IO[str]", process.stderr)
        until(lambda: " serving " in said_so_far.readline())
        time.sleep(0.5)  # by now each poller waits for messages
        stopped_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        stage.queue.send(envelope("a"))
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        assert time.monotonic() - stopped_at < GRACE_SECONDS
    assert process.returncode == 0, said
    assert stage.queue.counts() == (1, 0)
    (message,) = stage.queue.receive()
    assert message["attributes"]["ApproximateReceiveCount"] == "2"
    assert isinstance(stage.deduplicator().claim("a"), Claimed)


def test_pollers_of_one_process_work_at_once(stage: Stage) -> None:
    """Each has a message of its own; a stop waits for all of them."""
    stage.queue.send(*(envelope(key) for key in ("a", "b", "c")))
    with stage.consumer(300, "--pollers", "2", "--batch-size", "1") as process:
        first, second = stage.next_started(), stage.next_started()
        process.send_signal(signal.SIGTERM)
        stage.let_go()
        stage.let_go()
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert stage.queue.counts() == (1, 0)
    for key in (first, second):
        assert isinstance(stage.deduplicator().claim(key), AlreadyDone)


def test_a_second_sigterm_ends_the_process_and_leaves_the_rest_to_the_lease(stage: Stage) -> None:
    """Its message stays hidden and its key in progress, until both end by themselves."""
    stage.queue.send(envelope("a"))
    with stage.consumer() as process:
        assert stage.next_started() == "a"
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert stage.queue.counts() == (0, 1)


def test_what_a_killed_process_had_is_taken_over(stage: Stage) -> None:
    """SIGKILL in mid-handler: the queue brings it back when the lease has ended, generation 2."""
    stage.queue.send(envelope("a"))
    with stage.consumer(SHORT_LEASE_SECONDS) as process:
        assert stage.next_started() == "a"
        process.kill()
    store = DynamoDBStore(stage.table.name, stage.table.client)
    deduplicator = Deduplicator(store, Config(lease_seconds=SHORT_LEASE_SECONDS))
    keys: list[str] = []

    def process_event(event: dict[str, Any]) -> None:
        keys.append(event["detail"]["IdempotencyKey"])
        consumer.service.stop()

    polled = Polled(stage.queue)
    consumer = Consumer(deduplicator, ServedQueue(polled, polled), process_event)
    polled.when_empty = consumer.service.stop
    consumer.run()
    assert keys == ["a"]
    done = stage.deduplicator().claim("a")
    assert isinstance(done, AlreadyDone)
    assert done.record.generation == 2
    assert stage.queue.counts() == (0, 0)
