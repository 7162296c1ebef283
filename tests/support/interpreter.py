"""A fresh interpreter of this Python, to see what an import does."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.documents import ROOT


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
