"""What users see of the types, in both checkers: strict, over the modules of this folder."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.documents import ROOT


@pytest.mark.parametrize(
    "checker", [("mypy", "tests/typing"), ("pyright", "--pythonpath", sys.executable)], ids="/".join
)
def test_a_checker_accepts_what_is_right_and_refuses_the_rest(checker: tuple[str, ...]) -> None:
    """A mistake that is not refused is an ignore too many, which is an error as well."""
    done = subprocess.run(
        [sys.executable, "-m", *checker], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
