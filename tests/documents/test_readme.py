"""The documents' promises: their code runs, their commands exist, their tables are the code's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, MessageStatus
from cxone_idem.setting import variable
from cxone_idem.sqs.outcome import ACKNOWLEDGED
from cxone_idem.testing.rehearsal import Rehearsal
from tests.support.documents import ALL_TEXT, README, ROOT, code_blocks, sections
from tests.support.events import Context, batch_of

if TYPE_CHECKING:
    from pathlib import Path

LAMBDA, ANYWHERE = code_blocks("Ten lines")


def test_the_lambda_example_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first block is a working consumer: two deliveries, one effect."""
    names: dict[str, Any] = {}
    with Rehearsal().serving():
        exec(LAMBDA, names)  # noqa: S102 -- README's own code
    for _ in range(2):
        response = names["handler"](batch_of("k"), Context(30_000))
        assert response == {"batchItemFailures": []}
    assert capsys.readouterr().out == "starting conv-123\n"


def test_the_direct_example_runs() -> None:
    """The second block claims, works and completes."""
    rehearsal = Rehearsal()
    with rehearsal.serving():
        exec(ANYWHERE, {})  # noqa: S102 -- README's own code
    assert not rehearsal.deduplicator.claim("a1b2c3d4-5678-90ab-cdef-1234567890ab")


def test_the_environment_table_is_the_configs() -> None:
    """Variables, defaults and meanings are the same in README and in the code."""
    rows = [
        f"| `{variable(setting.name)}` | {_code(setting.default)} | {setting.metadata['meaning']} |"
        for setting in fields(Config)
    ]
    assert [line for line in README.splitlines() if line.startswith("| `CXONE_IDEM_")] == rows


def test_the_install_commands_install_it(tmp_path: Path) -> None:
    """Each block, in a copy of what the package is built from and an environment of its own."""
    where_is_it = "import cxone_idem; print(cxone_idem.__file__)"
    blocks = code_blocks("Install", "sh")
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        copy, environment = tmp_path / f"copy{number}", tmp_path / f"venv{number}"
        shutil.copytree(ROOT / "cxone_idem", copy / "cxone_idem")
        for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        venv.create(environment, with_pip=True)
        path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PYTHONPATH": ""}
        subprocess.run(["sh", "-e"], input=block, cwd=copy, env=env, check=True, text=True)
        where = subprocess.run(
            [environment / "bin" / "python", "-I", "-c", where_is_it],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        assert where.stdout.startswith(str(environment))


def test_the_settings_of_the_sqs_guide_are_valid() -> None:
    """No mistake in them, and the two that the text speaks of."""
    (block,) = code_blocks("Settings of the function", "shell")
    environ = dict(line.split("=", 1) for line in block.splitlines())
    assert len(environ) == 2
    config = Config.from_environ(environ)
    assert config.metrics == environ["CXONE_IDEM_METRICS"]
    assert config.namespace == environ["CXONE_IDEM_NAMESPACE"]


def test_the_table_of_what_happens_to_a_message_is_the_codes() -> None:
    """Each value once, deleted or back in the queue as the code has it."""
    rows = re.findall(
        r"^\| `(\w+)` \| (deleted|comes back) \|",
        sections()["What happens to each message"],
        re.MULTILINE,
    )
    assert rows == [
        (status.value, "deleted" if status in ACKNOWLEDGED else "comes back")
        for status in MessageStatus
    ]


def _code(default: object) -> str:
    return f"`{default}`".replace("|", "\\|") if default != "" else ""


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)`", ALL_TEXT))))
def test_every_make_target_exists(target: str) -> None:
    """What README tells people to type is there, and `make help` lists it."""
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT, "help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert target in {line.split()[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("test", sorted(set(re.findall(r"`(test_\w+)`", ALL_TEXT))))
def test_every_test_that_readme_names_exists(test: str) -> None:
    """What is said to be pinned is."""
    assert any(f"def {test}(" in path.read_text() for path in ROOT.glob("tests/**/test_*.py"))


@pytest.mark.parametrize(
    ("heading", "language"),
    sorted(
        {
            (heading, language)
            for heading, text in sections().items()
            for language in re.findall(r"^```(\w+)$", text, re.MULTILINE)
        }
        # A picture, not code.
        - {(heading, "mermaid") for heading in sections()}
    ),
)
def test_every_section_with_code_has_its_test(heading: str, language: str) -> None:
    """Some test takes the section's code blocks to run them."""
    arguments = f'"{heading}"' if language == "python" else f'"{heading}", "{language}"'
    call = f"code_blocks({arguments})"
    assert any(call in path.read_text() for path in ROOT.glob("tests/**/test_*.py"))


def test_every_code_block_names_its_language() -> None:
    """A block without one would have no test."""
    assert not re.findall(r"^```\n(?:(?!```).*\n)+```$", ALL_TEXT, re.MULTILINE)
