"""Imported by the process that workers are forked from, so that they find the SDK ready.

Importing it and loading its service models takes half a second of a core, for each of ten workers.
"""

from __future__ import annotations

import examples.demo.consumers
import examples.demo.workers  # noqa: F401
from examples.demo import engine

_NOWHERE = "http://127.0.0.1"

engine.dynamodb(_NOWHERE).close()
engine.sqs(_NOWHERE).close()
