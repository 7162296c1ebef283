"""The package as users get it: what importing does, what the wheel holds, who imports whom."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import cxone_idem
from tests.support.interpreter import run

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "cxone_idem"

# One direction of imports: a layer imports from itself and from the lines above its own. Files of
# the root that are no layer of their own are the vocabulary of all, or stand at the top.
LAYERS = [
    {"record", "runtime", "text", "cause", "errors"},
    {"events", "protocol"},
    {"stores"},
    {"setting", "config"},
    {"claims", "doctor"},
    {"sqs"},
    {"deduplicator"},
    {"aio", "decorator", "sns", "cli", "testing", "__init__", "__main__"},
]

# The only ones that import the AWS SDK.
AT_THE_SDK = {
    "doctor.account",
    "sqs.queue",
    "stores.aws_client",
    "stores.dynamodb",
    "stores.dynamodb_admin",
    "stores.dynamodb_batch",
    "stores.dynamodb_errors",
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
}


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
print(sorted({"decorator", "sqs.consumer"} & {m[11:] for m in sys.modules}))
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


UNIT = ROOT / "tests" / "unit"
UNIT_TESTS = sorted(str(path.relative_to(UNIT)) for path in UNIT.rglob("test_*.py"))


@pytest.mark.parametrize("test", UNIT_TESTS)
def test_a_unit_test_is_named_for_its_module(test: str) -> None:
    """`tests/unit/<folder>/test_<module>.py` is about `cxone_idem/<folder>/<module>.py`."""
    path = Path(test)
    assert (PACKAGE / path.parent / path.name.removeprefix("test_")).is_file()


def test_a_deduplicator_shows_its_verbs_and_nothing_else() -> None:
    """What it is made of is on the object, not on the class."""
    shown = {name for name in dir(cxone_idem.Deduplicator) if not name.startswith("_")}
    verbs = {"claim", "complete", "release", "extend", "forget"}
    assert shown == verbs | {"from_environ", "process_batch"}


def imports_of(module: Path) -> set[str]:
    """Return the modules of this package that a module imports, for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            package, _, name = (node.module or "").partition(".")
            if package == "cxone_idem":
                found |= {name} if name else {alias.name for alias in node.names}
    return found


def layer_of(module: str) -> int:
    """Return the number of a module's layer."""
    (number,) = (n for n, layer in enumerate(LAYERS) if module.partition(".")[0] in layer)
    return number


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    """A module imports only from its own layer and from those above it in the list."""
    for imported in imports_of(MODULES[module]) - {"__version__"}:
        assert layer_of(imported) <= layer_of(module), f"{module} imports {imported}"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("protocol.")])
def test_the_protocol_is_pure(module: str) -> None:
    """It imports the vocabulary, itself and nothing that reads a clock, a socket or a variable."""
    allowed = {"record", "cause", "errors", "text"}
    for imported in imports_of(MODULES[module]):
        assert imported in allowed or imported.startswith("protocol"), imported
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not names & {"time", "os", "socket", "random", "logging", "uuid", "datetime"}


@pytest.mark.parametrize("module", MODULES)
def test_a_docstring_begins_with_a_noun_or_an_imperative(module: str) -> None:
    """Not with a relative clause; and no word is used that is this project's alone."""
    text = MODULES[module].read_text()
    clauses = re.findall(r'"""(?:What|Whether|Which|Has|Whoever|Until|How|Word that|Tell) .*', text)
    assert clauses == []
    riddles = re.findall(
        r"\b(?:mends?|mended|doers|fates?|tally|beside|told)\b", text, re.IGNORECASE
    )
    assert riddles == []


def test_no_file_is_a_splinter_or_two_nouns() -> None:
    """Each has 30 to 270 lines, but for the faces of folders and the one long story."""
    for name, path in MODULES.items():
        lines = len(path.read_text().splitlines())
        if not name.endswith(("__init__", "__main__")) and name != "claims.manager":
            assert 30 <= lines <= 270, f"{name} has {lines} lines"


def test_no_two_modules_import_each_other() -> None:
    """Not even for types: whoever reads one file need not have read the other first."""
    graph = {name: imports_of(path) & set(MODULES) for name, path in MODULES.items()}
    for name, imported in graph.items():
        for other in imported - {name}:
            assert name not in graph[other], f"{name} and {other}"


def test_few_modules_know_the_aws_sdk() -> None:
    """No module but those at the SDK imports boto3 or botocore."""
    for name, path in MODULES.items():
        knows = any(words in path.read_text() for words in ("import boto", "from boto"))
        assert knows == (name in AT_THE_SDK), name


def test_the_version_is_the_packages() -> None:
    """`__version__` is read when it is asked for: the import does not load what reads it."""
    project = (ROOT / "pyproject.toml").read_text()
    (written,) = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    assert cxone_idem.__version__ == written == version("cxone-idem")
    code = """
import sys, cxone_idem
print("importlib.metadata" in sys.modules, cxone_idem.__version__)
"""
    assert run(code).split() == ["False", written]


def test_a_copy_that_is_not_installed_has_no_version(tmp_path: Path) -> None:
    """As in a Lambda layer: the attribute is missing, and that is no other error."""
    shutil.copytree(PACKAGE, tmp_path / "cxone_idem")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import importlib.metadata
def missing(name): raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.version = missing
import cxone_idem
print(hasattr(cxone_idem, "__version__"), cxone_idem.__file__)
"""
    assert run(code).startswith(f"False {tmp_path}")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a fresh sdist, and of the wheel that is built from it."""
    home = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(home), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return home


def test_twine_takes_what_is_built(built: Path) -> None:
    """Metadata and long description, with a warning as an error."""
    files = sorted(built.iterdir())
    assert [file.suffix for file in files] == [".whl", ".gz"]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_sdist_passes_its_own_tests(built: Path, tmp_path: Path) -> None:
    """It holds all that the tests read; a quick part of them passes where it was unpacked."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (home,) = tmp_path.iterdir()
    for name in ("tests", "examples", "Makefile", ".ci/run", "SECURITY.md"):
        assert (home / name).exists(), name
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/protocol"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


def test_no_tool_of_ours_is_in_a_published_extra(built: Path) -> None:
    """The one extra is the command line's; what is for developers stays here."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    assert re.findall(r"^Provides-Extra: (.+)$", metadata, re.MULTILINE) == ["cli"]
    assert "Author: " in metadata
    # On a package page a link into the repository leads nowhere.
    assert not re.search(r"\]\((?!https?://)", metadata)
    assert "the glossary" in metadata
    assert "drew this picture" not in metadata
    assert "Project-URL" not in metadata, "there is no public address yet"


def test_the_built_wheel_works_when_installed(built: Path, tmp_path: Path) -> None:
    """It holds the package, `py.typed` and the license, and nothing else; installed, it claims."""
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {str(path.relative_to(ROOT)) for path in MODULES.values()} <= names
    assert "cxone_idem/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"cxone_idem"}

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
