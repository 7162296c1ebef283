"""The layer of `make layer`: small, and whole beside what Lambda's runtime brings."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from examples.infrastructure import layer
from tests.support.documents import ROOT

# botocore's own dependencies, which Lambda's runtime brings with it; `jmespath` is one of them.
RUNTIME = ("botocore", "jmespath", "dateutil", "six", "urllib3")

# Everything but what the command line imports: the runtime has neither click nor rich.
IMPORT_ALL = """
import pkgutil, sys, cxone_idem
names = [one.name for one in pkgutil.walk_packages(cxone_idem.__path__, "cxone_idem.")]
for name in names:
    if not name.startswith(("cxone_idem.cli", "cxone_idem.__main__")):
        __import__(name)
assert len(names) > 50
assert cxone_idem.__file__.startswith(sys.argv[1]), cxone_idem.__file__
assert "typing_extensions" not in sys.modules
cxone_idem.DynamoDBStore("t", cxone_idem.stores.dynamodb.create_client())
deduplicator = cxone_idem.Deduplicator(cxone_idem.MemoryStore())
body = '{"id": "1", "detail-type": "t", "source": "s", "detail": {}}'
event = {"Records": [{"messageId": "m", "body": body}, {"messageId": "n", "body": body}]}
print(deduplicator.process_batch(event, lambda found: print("ran", found["id"])))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the layer, built afresh."""
    return layer.write(tmp_path_factory.mktemp("layer") / "layer.zip")


def test_it_holds_the_library_and_nothing_else(built: Path) -> None:
    """Well under 1 MB: every file is this library's, and each of its files is there."""
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
        unpacked = sum(entry.file_size for entry in archive.infolist())
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("cxone_idem/**/*.py")}
    others = {"cxone_idem/py.typed", "cxone_idem/LICENSE"}
    assert sorted(names) == sorted(f"python/{name}" for name in modules | others)
    assert built.stat().st_size < 300_000
    assert unpacked < 1_000_000


def test_it_is_the_same_whenever_it_is_built(built: Path, tmp_path: Path) -> None:
    """So a deployment without a change publishes no new layer."""
    assert layer.write(tmp_path / "again.zip").read_bytes() == built.read_bytes()


def test_it_works_with_what_the_runtime_brings_alone(built: Path, tmp_path: Path) -> None:
    """No site-packages: botocore and its dependencies only, not even typing_extensions."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in RUNTIME:
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.origin
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (runtime / source.name).symlink_to(source)
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path / "opt")
    python = tmp_path / "opt" / "python"
    path = f"import sys; sys.path[:0] = [{str(python)!r}, {str(runtime)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", path + IMPORT_ALL, str(python)],
        env={"AWS_REGION": "us-east-1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ran 1\n{'batchItemFailures': []}\n"
