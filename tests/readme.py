"""README as tests read it: its text, and the code blocks of its sections."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def sections() -> dict[str, str]:
    """Return each section's text by its heading."""
    prose = re.sub(
        r"```.*?```", lambda code: code.group().replace("\n#", "\n\0"), README, flags=re.DOTALL
    )
    _, *parts = _HEADING.split(prose)
    return {
        heading: text.replace("\0", "#")
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


def code_blocks(heading: str, language: str = "python") -> list[str]:
    """Return the code blocks of a section."""
    return re.findall(rf"```{language}\n(.*?)```", sections()[heading], re.DOTALL)
