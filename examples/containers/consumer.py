"""The work of a container that serves a queue; the same function would serve on Lambda.

examples/containers/README.md has the command that serves a queue with it.
"""

from __future__ import annotations

from typing import Any


def process_event(event: dict[str, Any]) -> None:
    """Do the work of one event; raising brings the event back."""
    print(f"{event['detail']['eventType']}: processed event {event['id']}")
