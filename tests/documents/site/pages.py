"""The pages of the site: this repository's documents, the API, and the reference."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterable
from enum import EnumMeta as EnumType
from html import escape
from importlib import import_module
from pathlib import Path

from tests.documents.site.reference import PAGES
from tests.documents.site.tables import heading

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ("CHANGELOG", "CONTRIBUTING", "SECURITY")
MERMAID = ROOT / ".engines" / "mermaid" / "mermaid.min.js"
"""What draws the diagrams. Without it they are shown as text."""

API = {
    "cxone_idem": "The verbs, and what they return and raise.",
    "cxone_idem.aio": "The same verbs for asyncio.",
    "cxone_idem.sns": "For events that come through SNS.",
    "cxone_idem.testing": "For the unit tests of your consumer.",
    "cxone_idem.protocol.store": "What a store of your own must do.",
    "cxone_idem.record": "What a store keeps.",
}
"""The modules that are for users, and what each is for."""

_DIRECTIVES = {
    "Functions": "autofunction",
    "Classes": "autoclass",
    "Errors": "autoexception",
    "Values": "autodata",
}
_OF_A_STORE = {
    "cxone_idem.protocol.store": ("Store", "ConditionalPut", "PutResult", "Budget"),
    "cxone_idem.record": ("Record", "State", "NO_VERSION"),
}
_DIAGRAM = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
_README_LINK = re.compile(r"(?<=\])\(((?:[\w.]+/)*)README\.md(#[^)\s]*)?\)")


def write_sources(sources: Path) -> None:
    """Write all that Sphinx reads."""
    shutil.copytree(
        ROOT / "examples", sources / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    guides = sorted(sources.glob("examples/*/README.md"))
    for guide in guides:
        guide.with_name("index.md").write_text(_drawn(_linked(guide.read_text()), up="../../"))
        guide.unlink()
    for name in PROJECT:
        (sources / f"{name}.md").write_text(_linked((ROOT / f"{name}.md").read_text()))
    (sources / "reference").mkdir()
    for name, page in PAGES.items():
        (sources / "reference" / f"{name}.md").write_text(page())
    (sources / "api").mkdir()
    for name, purpose in API.items():
        (sources / "api" / f"{name}.rst").write_text(_api_page(name, purpose))
    front = _drawn(_linked((ROOT / "README.md").read_text()))
    contents = (
        _contents("Guides", (f"examples/{guide.parent.name}/index" for guide in guides)),
        _contents("Reference", (f"reference/{name}" for name in PAGES)),
        _contents("API", (f"api/{name}" for name in API)),
        _contents("Project", PROJECT),
    )
    (sources / "index.md").write_text("\n".join((front, *contents)))


def _linked(document: str) -> str:
    """Return a document whose links to a README lead to the page that it becomes here."""
    return _README_LINK.sub(r"(\1index.md\2)", document)


def _drawn(document: str, up: str = "") -> str:
    """Return a page with its diagrams drawn in the browser, or else shown as text."""
    if not _DIAGRAM.search(document):
        return document
    if not MERMAID.exists():
        return document.replace("```mermaid", "```text")
    drawn = _DIAGRAM.sub(
        lambda found: f'```{{raw}} html\n<pre class="mermaid">\n{escape(found[1])}</pre>\n```',
        document,
    )
    return f'{drawn}\n```{{raw}} html\n<script src="{up}{MERMAID.name}"></script>\n```\n'


def _contents(caption: str, pages: Iterable[str]) -> str:
    lines = ["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""]
    return "\n".join(lines)


def public_names(module: str) -> list[str]:
    """Return the names of a module that are for users."""
    return list(_OF_A_STORE.get(module) or import_module(module).__all__)


def _api_page(module: str, purpose: str) -> str:
    found = import_module(module)
    kinds: dict[str, list[str]] = {kind: [] for kind in _DIRECTIVES}
    for name in public_names(module):
        kinds[_kind(getattr(found, name))].append(name)
    parts = [heading(f"Module {module}", "="), f"{purpose}\n"]
    for kind, names in kinds.items():
        if names:
            parts.append(heading(kind, "-"))
        for name in sorted(names, key=str.lower):
            parts.append(f".. {_DIRECTIVES[kind]}:: {module}.{name}\n")
            if kind in {"Classes", "Errors"}:
                parts[-1] += "   :members:\n   :show-inheritance:\n"
            if isinstance(getattr(found, name), EnumType):
                parts[-1] += "   :undoc-members:\n"
    return "\n".join(parts)


def _kind(found: object) -> str:
    if not inspect.isclass(found):
        return "Functions" if callable(found) else "Values"
    return "Errors" if issubclass(found, Exception) else "Classes"
