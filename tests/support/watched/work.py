"""The work of an event, watched: its effects are noted in the file that `JOURNAL` names.

An event says by `detail.fault` what goes wrong with it on its way, so that the same function serves
every test. The test ends the faults that last by noting "mended".
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from botocore.session import Session

from tests.support.journal import Journal

journal = Journal(Path(os.environ["JOURNAL"]))
_create_client = Session.create_client


def _noted_create_client(session: Session, service_name: str, *args: Any, **kwargs: Any) -> Any:
    journal.note("client", service=service_name)
    return _create_client(session, service_name, *args, **kwargs)


# This module is imported before the examples: they make their client while they are.
Session.create_client = _noted_create_client  # type: ignore[method-assign,assignment]


def process_event(event: dict[str, Any]) -> None:
    """Have the effect, unless the event's fault comes first."""
    detail = event["detail"]
    key = detail["IdempotencyKey"]
    again = bool(journal.entries("started", key=key))
    journal.note("started", key=key)
    match detail.get("fault"):
        case "fails once" if not again:
            raise RuntimeError(detail["fault"])
        case "fails until mended" if not journal.entries("mended"):
            raise RuntimeError(detail["fault"])
        case "hangs once" if not again:
            threading.Event().wait()
    journal.note("effect", key=key)
