"""`make docs`: writes the site to dist/docs; a warning is an error."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import build_main

from tests.documents.site.pages import MERMAID, ROOT, write_sources

SITE = ROOT / "dist" / "docs"


def build(site: Path = SITE) -> int:
    """Write the site, all of it anew; return Sphinx's exit code."""
    shutil.rmtree(site, ignore_errors=True)
    with tempfile.TemporaryDirectory() as home:
        sources, doctrees = Path(home, "sources"), Path(home, "doctrees")
        write_sources(sources)
        options = ["--fail-on-warning", "--keep-going", "--quiet", "-d", str(doctrees)]
        failed = build_main([*options, "-c", str(Path(__file__).parent), str(sources), str(site)])
    if MERMAID.exists() and not failed:
        shutil.copy(MERMAID, site)
    return failed


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else SITE
    failed = build(where)
    if not failed:
        print(f"open {where / 'index.html'}")
    sys.exit(failed)
