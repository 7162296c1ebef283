"""Cold start: a fresh interpreter until the first claim can be sent, over boto3 alone.

What `import botocore` costs varies by half with the depth of the stack at which it runs: CPython
keeps frames in chunks of 16 KiB, and a call across the end of one allocates the next. So each
program runs at several depths within a chunk.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.bench.contender import PEER, US
from tests.bench.report import Report
from tests.bench.scale import NewTable, Scale
from tests.bench.timing import Samples, Way, interleaved

WALL = "Cold start, wall until ready over boto3 alone (ms)"
CPU = "Cold start, CPU until ready over boto3 alone (ms)"
_BASE = "boto3"
_ALONE, _BOTH = "alone", "and an SQS client by boto3"
_BEFORE = {_ALONE: "", _BOTH: "import boto3; boto3.client('sqs'); "}
_READY = {
    US: "from cxone_idem import Deduplicator; Deduplicator.from_environ()",
    PEER: "from aws_lambda_powertools.utilities import batch, idempotency;"
    " idempotency.DynamoDBPersistenceLayer(table_name='t');"
    " batch.BatchProcessor(event_type=batch.EventType.SQS)",
    _BASE: "import boto3; boto3.client('dynamodb')",
}
_AT_DEPTH = """
def ready():
    {program}
    import os; os._exit(0)
def at(depth):
    return at(depth - 1) if depth else ready()
at({depth})
"""


def measure(report: Report, scale: Scale, _: NewTable) -> None:
    """Fill in the cold start alone, and beside a consumer that has a boto3 client of its own."""
    taken = {case: {name: Samples() for name in _READY} for case in _BEFORE}
    for depth in scale.depths:
        for case, before in _BEFORE.items():
            ways = {name: _start(before + program, depth) for name, program in _READY.items()}
            # The first start of all compiles.
            samples = interleaved(ways, max(1, scale.rounds // 3), warm_up=int(not depth))
            for name, found in samples.items():
                for measured, values in found.taken.items():
                    taken[case][name].taken[measured] += values
    for case, samples in taken.items():
        report.compare(WALL, case, samples, "wall", _BASE, 1.1 if case == _BOTH else None)
    for case, samples in taken.items():
        report.compare(CPU, case, samples, "cpu", _BASE)


def _start(program: str, depth: int) -> Way:
    # pip compiles what it installs; an editable checkout would be compiled in every run.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _AT_DEPTH.format(program=program, depth=depth)]

    def run() -> None:
        subprocess.run(command, env=environ, check=True)

    return lambda: run
