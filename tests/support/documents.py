"""The documents as tests read them: README, the guides, and the code blocks of their sections."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
GUIDES = {path.parent.name: path.read_text() for path in sorted(ROOT.glob("examples/*/README.md"))}
PROJECT = {
    name: (ROOT / name).read_text() for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
}
ALL_TEXT = "\n".join([README, *GUIDES.values()])
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def without_code(text: str) -> str:
    """Return a document's prose and tables: its fenced code blocks are gone."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(text: str) -> list[str]:
    """Return the headings of a document in their order."""
    return _HEADING.findall(without_code(text))


def sections() -> dict[str, str]:
    """Return each section's text by its heading, of README and all guides."""
    prose = re.sub(
        r"```.*?```", lambda code: code.group().replace("\n#", "\n\0"), ALL_TEXT, flags=re.DOTALL
    )
    _, *parts = _HEADING.split(prose)
    return {
        heading: text.replace("\0", "#")
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


def code_blocks(heading: str, language: str = "python") -> list[str]:
    """Return the code blocks of a section."""
    return re.findall(rf"```{language}\n(.*?)```", sections()[heading], re.DOTALL)
