"""README's promises: its code runs, its commands exist, its tables are the code's."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from typing import Any

import pytest

from cxone_idem import Config
from cxone_idem.setting import variable
from cxone_idem.testing.rehearsal import Rehearsal
from tests.readme import README, ROOT, code_blocks, sections
from tests.sqs_events import Context, batch_of

LAMBDA, ANYWHERE = code_blocks("cxone_idem")


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
    """Variables, defaults and meanings stand in README as in the code."""
    rows = [
        f"| `{variable(setting.name)}` | {_code(setting.default)} | {setting.metadata['meaning']} |"
        for setting in fields(Config)
    ]
    assert [line for line in README.splitlines() if line.startswith("| `CXONE_IDEM_")] == rows


def _code(default: object) -> str:
    return f"`{default}`".replace("|", "\\|") if default != "" else ""


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)`", README))))
def test_every_make_target_exists(target: str) -> None:
    """What README tells people to type is there, and `make help` lists it."""
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT, "help"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert target in {line.split()[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("test", sorted(set(re.findall(r"`(test_\w+)`", README))))
def test_every_test_that_readme_names_exists(test: str) -> None:
    """What is said to be pinned is."""
    assert any(f"def {test}(" in path.read_text() for path in ROOT.glob("tests/**/test_*.py"))


@pytest.mark.parametrize("heading", [name for name in sections() if code_blocks(name)])
def test_every_section_with_code_has_its_test(heading: str) -> None:
    """Some test takes the section's code blocks to run them."""
    call = f'code_blocks("{heading}")'
    assert any(call in path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
