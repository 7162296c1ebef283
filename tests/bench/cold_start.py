"""Cold start: a fresh interpreter until the first claim can be sent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.report import Report

_SAY_READY = "\nimport os; os.write(1, b'.')"
_CLIENT = 'import boto3; boto3.client("dynamodb")'
_US = "from cxone_idem import Deduplicator; Deduplicator.from_environ()"
_PEER = (
    "from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType\n"
    "from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer\n"
    "DynamoDBPersistenceLayer(table_name='t'); BatchProcessor(event_type=EventType.SQS)"
)
PROGRAMS = {"cxone_idem": _US, "boto3 client": _CLIENT, "Powertools": _PEER}
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")
_SHOWN = 8


def measure(report: Report, rounds: int) -> None:
    """Fill in the rows of the cold start: wall and CPU of each, in turn, and where it goes."""
    wall: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    cpu: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for number in range(rounds + 1):
        for name, program in PROGRAMS.items():
            took, used = _start(program)
            if number:  # the first one compiles
                wall[name].append(took)
                cpu[name].append(used)
    walls = {name: median(times) * 1000 for name, times in wall.items()}
    cpus = {name: median(times) * 1000 for name, times in cpu.items()}
    for name in PROGRAMS:
        report.add("cold start", f"{name}: wall until ready", walls[name], "ms")
        report.add("cold start", f"{name}: CPU of the process", cpus[name], "ms")
    base = "boto3 client"
    for name, target in (("cxone_idem", 1.03), ("Powertools", None)):
        report.add("cold start", f"{name}: wall / {base}", walls[name] / walls[base], "x", target)
        report.add("cold start", f"{name}: CPU / {base}", cpus[name] / cpus[base], "x")
    report.chart("cold start: wall until ready (ms)", walls)
    _where_it_goes(report)


def _start(program: str) -> tuple[float, float]:
    """Return the seconds until `program` is ready, and the CPU seconds of its whole life."""
    before, started = os.times(), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program + _SAY_READY], env=_environ(), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        took = time.perf_counter() - started
    after = os.times()
    used = after.children_user + after.children_system
    return took, used - before.children_user - before.children_system


def _environ() -> dict[str, str]:
    # pip compiles what it installs; an editable checkout would be compiled in every run.
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _where_it_goes(report: Report) -> None:
    ours, base = _imports(_US), _imports(_CLIENT)
    for package, microseconds in ours.most_common(_SHOWN):
        report.add("cold start", f"import time of ours: {package}", microseconds / 1000, "ms")
    ours_alone = sum(time for package, time in ours.items() if package not in base)
    report.add(
        "cold start", "import time of packages boto3 does not import", ours_alone / 1000, "ms"
    )
    report.add("cold start", "import time of ours, all", ours.total() / 1000, "ms")
    report.add("cold start", "import time of a boto3 client, all", base.total() / 1000, "ms")


def _imports(program: str) -> Counter[str]:
    """Return the microseconds each top-level package's modules take to import."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program],
        env=_environ(),
        check=True,
        capture_output=True,
        text=True,
    )
    times: Counter[str] = Counter()
    for microseconds, module in _IMPORT.findall(run.stderr):
        times[module.partition(".")[0]] += int(microseconds)
    return times
