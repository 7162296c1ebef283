"""What happened in other processes, as one file that all of them append to."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """One file of JSON lines. What is written stays, even if its writer is killed next."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, what: str, **about: Any) -> None:
        """Append an entry in one write, so that processes do not mix theirs."""
        line = json.dumps({"what": what, "pid": os.getpid(), **about}) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def entries(self, what: str | None = None, **about: Any) -> list[dict[str, Any]]:
        """Return the entries so far, or those alone that are as said."""
        wanted = about if what is None else {"what": what, **about}
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [entry for entry in map(json.loads, lines) if wanted.items() <= entry.items()]
