"""The SQS example after the lines of code that a test gives, or the consumer that they make."""

from __future__ import annotations

import os
from typing import Any

from examples.sqs_lambda.handler import handler as example

names: dict[str, Any] = {"handler": example}
exec(os.environ.get("CODE", ""), names)  # noqa: S102 -- a guide's own code
handler = names["handler"]
