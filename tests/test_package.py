"""The package as users get it: what importing does, what the wheel holds, who imports whom."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import cxone_idem

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cxone_idem"

# One direction of imports: a module may import only from the lines above its own.
ROOMS = [
    {"record"},
    {"cause"},
    {"errors", "canonical"},
    {"expression"},
    {"item", "aws_client", "protocol", "store", "events", "clock", "result", "setting", "chance"},
    {"event_function", "doers", "frames", "workers"},
    {"memory", "dynamodb_answer", "config", "holdings", "fate", "tally"},
    {"writer", "invocation", "dynamodb_batch"},
    {
        "already_done",
        "dynamodb_request",
        "held_record",
        "sqs_message",
        "patience",
        "service",
    },
    {"outcome"},
    {"dynamodb", "claimed", "committer", "visibility", "sqs_queue", "current"},
    {"acquisition", "forgetting", "outcome_log", "aligner"},
    {"job"},
    {"claims"},
    {"claims_ahead", "metrics"},
    {"batch_run"},
    {"sqs_batch"},
    {"deduplicator"},
    {"aio_handlers", "aio_threads"},
    {"aio"},
    {"decorator"},
    {"__init__"},
    {"testing.events", "testing.rehearsal"},
    {"testing.__init__"},
    {"heartbeat"},
    {"consumer"},
    {"dynamodb_reader", "dynamodb_table"},
    {"cli.__init__", "cli.output"},
    {"cli.log_reader"},
    {"cli.duplicates"},
    {"doctor.__init__", "doctor.facts"},
    {"doctor.account"},
    {"doctor.reading"},
    {
        "doctor.table",
        "doctor.queue",
        "doctor.event_source",
        "doctor.function",
        "doctor.rule",
        "doctor.role",
    },
    {"doctor.examination"},
    {"dead_letters"},
    {"cli.records", "cli.table", "cli.settings", "cli.doctor"},
    {"cli.consume", "cli.dead_letters"},
    {"cli.app"},
    {"__main__"},
]

# The only ones that import the AWS SDK.
AT_THE_SDK = {
    "aws_client",
    "dynamodb_answer",
    "dynamodb_request",
    "dynamodb_reader",
    "dynamodb_table",
    "doctor.account",
    "sqs_queue",
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
}


def run(code: str, **environ: str) -> str:
    """Run code in a fresh interpreter; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_reads_no_environment_and_opens_no_connection() -> None:
    """Even a wrong setting is not seen before first use, and no AWS SDK is loaded."""
    code = """
import os, socket, sys
class Watched(dict):
    def __getitem__(self, name): raise AssertionError(name)
    get = __getitem__
def refuse(*args, **kwargs): raise AssertionError("a socket")
import jmespath, logging, uuid, hashlib, email.utils, inspect, json
socket.socket.connect = refuse
os.environ = Watched(); os.getenv = refuse
import cxone_idem
print(sorted(name for name in sys.modules if name.split(".")[0] in ("boto3", "botocore")))
"""
    assert run(code, CXONE_IDEM_LEASE_SECONDS="wrong").strip() == "[]"


def test_what_few_use_is_not_loaded_by_the_rest() -> None:
    """A claim, its completion and a batch need neither `@once` nor results: cold starts count."""
    code = """
import sys, cxone_idem
deduplicator = cxone_idem.Deduplicator(cxone_idem.MemoryStore())
deduplicator.claim("k"); deduplicator.complete("k"); deduplicator.claim("k")
deduplicator.process_batch({"Records": []}, print)
print(sorted({"decorator", "result"} & {m[11:] for m in sys.modules}))
from cxone_idem.decorator import once
import cxone_idem.decorator
from cxone_idem import once as exported
print(exported is once is cxone_idem.once)
"""
    assert run(code).split("\n")[:2] == ["[]", "True"]


def test_the_module_functions_share_one_deduplicator_made_on_first_use() -> None:
    """`claim` and `complete` meet; a wrong setting is reported at the first call."""
    code = """
import cxone_idem
try:
    print(bool(cxone_idem.claim("k")), bool(cxone_idem.claim("k")))
    print(cxone_idem.process_batch({"Records": []}, print))
    cxone_idem.extend("k"); cxone_idem.release("k"); cxone_idem.claim("k"); cxone_idem.complete("k")
except cxone_idem.ConfigError as error:
    print(error)
"""
    assert "True True" in run(code, CXONE_IDEM_DISABLED="true")
    assert "CXONE_IDEM_LEASE_SECONDS='wrong'" in run(code, CXONE_IDEM_LEASE_SECONDS="wrong")


def test_the_public_surface_is_what_it_says() -> None:
    """Every name in `__all__` is there; there is no other public name but submodules."""
    for name in cxone_idem.__all__:
        assert getattr(cxone_idem, name).__doc__
    with pytest.raises(AttributeError):
        cxone_idem.nothing  # noqa: B018


def imports_of(module: Path) -> set[str]:
    """Return the modules of this package that a module imports at run time."""
    tree = ast.parse(module.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in for_types:
            package, _, name = (node.module or "").partition(".")
            if package == "cxone_idem":
                found |= {name} if name else {alias.name for alias in node.names}
    return found


def test_imports_go_one_way() -> None:
    """Each module is in a room, and imports from rooms before its own."""
    assert set(MODULES) == set().union(*ROOMS)
    before: set[str] = set()
    for room in ROOMS:
        for module in room:
            assert imports_of(MODULES[module]) <= before, module
        before |= room


def test_few_modules_know_the_aws_sdk() -> None:
    """No module but those at the SDK imports boto3 or botocore."""
    for name, path in MODULES.items():
        knows = any(words in path.read_text() for words in ("import boto", "from boto"))
        assert knows == (name in AT_THE_SDK), name


def test_the_built_wheel_works_when_installed(tmp_path: Path) -> None:
    """Built, it holds the package, `py.typed` and the license; installed, it claims."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {str(path.relative_to(ROOT)) for path in MODULES.values()} <= names
    assert "cxone_idem/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests", "examples")) for name in names)

    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel],
        check=True,
        capture_output=True,
    )
    code = "import cxone_idem as c; print(c.Deduplicator(c.MemoryStore()).claim('k'), c.__file__)"
    done = subprocess.run(
        [python, "-I", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.startswith(f"Claimed(key='k', generation=1) {home}")
