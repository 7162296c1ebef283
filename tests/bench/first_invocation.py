"""A small function: init at full speed as on Lambda, then invocations under a share of a CPU.

Over TLS on loopback, with the SDK's own bundle of certificate authorities and one more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import botocore

from tests.bench.contender import ALL, FEWEST, PEER
from tests.bench.report import Report
from tests.bench.scale import NewTable, Scale
from tests.bench.timing import Samples, Way, fresh_keys, interleaved
from tests.bench.wire import table_behind
from tests.support.events import batch_of

FIRST = "First invocation under a CPU share, over Powertools (ms)"
BATCH = "Batch of 10, 10 ms handlers, under a CPU share: wall over B (ms)"
_TARGETS = {("first", 0.29): 0.45, ("init + first", 0.29): 0.95, ("later", 0.07): 1.65}
_CGROUPS = Path("/sys/fs/cgroup")
# Lambda's own: a function that has used its share is stopped for the rest of 20 ms.
_PERIOD_US = 20_000


def measure(report: Report, scale: Scale, new_table: NewTable) -> None:
    """Fill in the first invocation, of one message, and the batches after it."""
    if why := _why_not():
        report.skip(FIRST, why)
        report.skip(BATCH, why)
        return
    with tempfile.TemporaryDirectory() as folder:
        certificate, bundle = _certificate(Path(folder))
        with table_behind(new_table, 5, certificate) as table:
            taken = _lives(scale, {"AWS_CA_BUNDLE": str(bundle), "CXONE_IDEM_TABLE": table})
    for measured, question, base in (
        ("first", FIRST, PEER),
        ("init + first", FIRST, PEER),
        ("later", BATCH, FEWEST),
    ):
        for share, samples in taken.items():
            target = _TARGETS.get((measured, share))
            report.compare(
                question, f"{measured}, {share:.0%} CPU", samples, measured, base, target
            )


def _why_not() -> str:
    try:
        with _cpu_share(0.5):
            return "" if shutil.which("openssl") else "no openssl to make a certificate with"
    except OSError as error:
        return f"this machine allows no CPU quota ({error})"


def _lives(scale: Scale, environ: dict[str, str]) -> dict[float, dict[str, Samples]]:
    environ = {**os.environ, **environ, "AWS_LAMBDA_FUNCTION_NAME": "cxone-events"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    orders = [(0, 1)] + [(10, 10)] * scale.later
    return {
        share: interleaved({n: _life(n, environ, share, orders) for n in ALL}, scale.rounds)
        for share in scale.shares
    }


def _life(name: str, environ: dict[str, str], share: float, orders: list[tuple[int, int]]) -> Way:
    """Return the way of one process: init, a first invocation, and some more."""
    command = [sys.executable, "-m", "tests.bench.contender", name]

    def live() -> dict[str, float]:
        started, pipe = time.perf_counter(), subprocess.PIPE
        with (
            _cpu_share(share) as put,
            subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True) as process,
        ):
            into, out = process.stdin, process.stdout
            assert into is not None
            assert out is not None
            assert out.readline() == "ready\n"
            init_ms = (time.perf_counter() - started) * 1000
            assert out.readline() == "collected\n"  # at full speed: the share is all unused
            put(process.pid)
            walls = []
            for handler_ms, size in orders:
                print(json.dumps([handler_ms, batch_of(*fresh_keys(size))]), file=into, flush=True)
                walls.append(float(out.readline()))
            process.kill()  # under its share an exit takes long
        first_ms, *later_ms = walls
        return {"first": first_ms, "init + first": init_ms + first_ms, "later": median(later_ms)}

    return lambda: live


@contextmanager
def _cpu_share(share: float) -> Iterator[Callable[[int], object]]:
    """Yield what puts a process, all its threads, under that share of one CPU by a cgroup.

    Raises `OSError` where the machine does not allow it.
    """
    quota_us = int(share * _PERIOD_US)
    if (_CGROUPS / "cgroup.controllers").exists():  # version 2
        (_CGROUPS / "cgroup.subtree_control").write_text("+cpu")
        parent, settings = _CGROUPS, {"cpu.max": f"{quota_us} {_PERIOD_US}"}
    else:
        parent = _CGROUPS / "cpu"
        settings = {"cpu.cfs_period_us": f"{_PERIOD_US}", "cpu.cfs_quota_us": f"{quota_us}"}
    group = Path(tempfile.mkdtemp(prefix="cxone-idem-bench-", dir=parent))
    try:
        for name, value in settings.items():
            (group / name).write_text(value)
        yield lambda pid: (group / "cgroup.procs").write_text(str(pid))
    finally:
        group.rmdir()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Return a certificate of loopback with its key, and the SDK's CA bundle that has it too."""
    key, certificate, bundle = folder / "key.pem", folder / "loopback.pem", folder / "bundle.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    files: list[str | Path] = ["-keyout", key, "-out", certificate]
    command = [*request.split(), "subjectAltName=IP:127.0.0.1", *files]
    subprocess.run(command, check=True, capture_output=True)
    of_the_sdk = Path(botocore.__file__).parent / "cacert.pem"
    bundle.write_text(of_the_sdk.read_text() + certificate.read_text())
    certificate.write_text(certificate.read_text() + key.read_text())
    return certificate, bundle
