"""`make local`: README's consumer, deployed to the stand-in by the command that users run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.documents import ROOT, code_blocks
from tests.support.engines import require

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine


def play(handler: Path, typed: str) -> subprocess.CompletedProcess[str]:
    """Run the command on a consumer, with what somebody types."""
    command = [sys.executable, "-m", "examples.infrastructure.local", str(handler)]
    return subprocess.run(
        command, cwd=ROOT, input=typed, capture_output=True, text=True, check=False, timeout=120
    )


def test_readmes_ten_lines_run_on_the_stand_in(tmp_path: Path) -> None:
    """In a folder of their own: the first delivery runs, the second is dropped, and both show."""
    require("ministack")
    handler = tmp_path / "consumer.py"
    handler.write_text(code_blocks("Ten lines")[0])
    done = play(handler, "c1\n\nc2\n")
    assert done.returncode == 0, done.stderr
    for conversation in ("c1", "c2"):
        assert done.stdout.count(f"starting {conversation}\n") == 1
        assert f"is a duplicate of '{conversation}', done already" in done.stdout
    assert "cxone-idem doctor --function cxone-Consumer" in done.stdout
    assert "still in the queue" not in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.py", None, "it is no Python file"),
        ("handler.txt", "", "it is no Python file"),
        ("handler.py", "import nowhere", "No module named 'nowhere'"),
        ("handler.py", "", "has no attribute 'handler'"),
    ],
)
def test_what_is_no_consumer_is_said_so(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    """Before it is deployed: the stand-in's log would show nothing of it."""
    require("ministack")
    handler = tmp_path / name
    if text is not None:
        handler.write_text(text)
    done = play(handler, "c1\n")
    assert done.returncode == 1
    assert said in done.stderr
    assert "is deployed" not in done.stdout


def test_a_handler_that_fails_shows_it(tmp_path: Path) -> None:
    """Its error is in the lines, and the message is said to come back."""
    require("ministack")
    handler = tmp_path / "handler.py"
    readmes = code_blocks("Ten lines")[0]
    handler.write_text(readmes.replace('print("starting"', 'raise RuntimeError("no"'))
    done = play(handler, "c1\n")
    assert "process_event raised" in done.stdout
    assert "still in the queue: it comes back after 200 s" in done.stdout
