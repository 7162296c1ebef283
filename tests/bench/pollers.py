"""`python -m tests.bench.pollers`: events a second of 1, 2 and 4 pollers, and of bare boto3 loops.

All on ministack, one local process that is both SQS and DynamoDB: if the handler does nothing, it
may be what limits the rate. Each figure is the median of some rounds, and of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import boto3

from cxone_idem import Deduplicator
from cxone_idem.sqs.consumer import POLLERS_MAX, Consumer, ServedQueue
from cxone_idem.testing.events import eventbridge_event
from examples.local_stack import CREDENTIALS, ministack
from tests.support.engines import MISSING, is_missing

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = 1000
POLLERS = (1, 2, 4)
WORK_MS = (0, 20)
ROUNDS = 3


class Work:
    """A handler that takes some time, and the events a second from its first to its last."""

    def __init__(self, milliseconds: int, then: Callable[[], object]) -> None:
        self._seconds = milliseconds / 1000
        self._then = then
        self._numbers = count(1)
        self._started = 0.0
        self.rate = 0.0

    def __call__(self, _: Any) -> None:
        self._started = self._started or time.perf_counter()
        time.sleep(self._seconds)
        if next(self._numbers) == EVENTS:
            self.rate = EVENTS / (time.perf_counter() - self._started)
            self._then()


def bare(url: str, pollers: int, milliseconds: int) -> float:
    """Return the rate of loops that receive, do the work and delete, each in a thread."""
    sqs: Any = boto3.client("sqs")
    over: list[bool] = []
    work = Work(milliseconds, lambda: over.append(True))

    def loop(_: int) -> None:
        while not over:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            messages = answer.get("Messages", [])
            for message in messages:
                work(json.loads(message["Body"]))
            if messages:
                entries = [
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(messages)
                ]
                sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    with ThreadPoolExecutor(POLLERS_MAX) as pool:
        list(pool.map(loop, range(pollers)))
    return work.rate


def ours(url: str, pollers: int, milliseconds: int) -> float:
    """Return the rate of `consume`, whose log goes nowhere."""
    logging.disable(logging.WARNING)
    work = Work(milliseconds, lambda: consumer.service.stop())  # noqa: PLW0108 -- made below
    consumer = Consumer(Deduplicator.from_environ(), ServedQueue.of(url, 10, pollers), work)
    consumer.run()
    return work.rate


CONTENDERS = {"bare boto3": bare, "cxone_idem": ours}


def main() -> None:
    """Measure one, where a name is given: in a process of its own. Else all, as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", nargs="*", help="contender, queue URL, pollers, milliseconds")
    one = parser.parse_args().one
    if one:
        print(CONTENDERS[one[0]](one[1], int(one[2]), int(one[3])))
        return
    if is_missing("ministack"):
        raise SystemExit(MISSING["ministack"])
    print("| events/s | " + " | ".join(f"{n} poller{'s' * (n > 1)}" for n in POLLERS) + " |")
    print("|---" * (1 + len(POLLERS)) + "|")
    for milliseconds in WORK_MS:
        for name in CONTENDERS:
            rates = [_median_rate(name, pollers, milliseconds) for pollers in POLLERS]
            figures = " | ".join(f"{rate:.0f}" for rate in rates)
            print(f"| {name}, {milliseconds} ms of work | {figures} |", flush=True)


def _median_rate(name: str, pollers: int, milliseconds: int) -> float:
    return median(_rate(name, pollers, milliseconds) for _ in range(ROUNDS))


def _rate(name: str, pollers: int, milliseconds: int) -> float:
    with ministack() as endpoint:
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=endpoint, CXONE_IDEM_TABLE="cxone-idem")
        subprocess.run(
            [sys.executable, "-m", "cxone_idem", "create-table"], check=True, capture_output=True
        )
        sqs: Any = boto3.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        for first in range(0, EVENTS, 10):
            events = [eventbridge_event(str(first + number)) for number in range(10)]
            entries = [{"Id": str(n), "MessageBody": json.dumps(e)} for n, e in enumerate(events)]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
        command = [sys.executable, "-m", "tests.bench.pollers"]
        arguments = [name, url, str(pollers), str(milliseconds)]
        done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
        return float(done.stdout)


if __name__ == "__main__":
    main()
