"""The Lambda invocation a worker runs in: its deadline, which bounds every lease, and its id."""

from __future__ import annotations

import functools
import logging
import math
import os
from typing import Protocol

from cxone_idem.errors import require
from cxone_idem.protocol.store import ATTEMPTS, NO_DEADLINE, Budget
from cxone_idem.text import kind_of

logger = logging.getLogger("cxone_idem")

# Lambda stops the sandbox at the deadline, not before it; what a handler sent just then may still
# be on its way.
_KILL_MARGIN_MS = 1000
# At 7 % of a processor (a function of 128 MB) the log lines of a batch and its answer take a
# tenth of a second; kept free is three times that.
_ANSWER_SECONDS = 0.3


class LambdaContext(Protocol):
    """The part of Lambda's context object that this library uses: Powertools' type fits it too."""

    @property
    def aws_request_id(self) -> str:
        """The id of the invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda kills this invocation."""


class Invocation:
    """The invocation behind `context`; without one, work has no deadline but its lease.

    Raises `TypeError` if `context` does not return how much time is left (retrying never helps).
    """

    def __init__(self, context: LambdaContext | None) -> None:
        asks = getattr(context, "get_remaining_time_in_millis", None)
        expected = "context must have get_remaining_time_in_millis()"
        fix = "pass the second argument of the Lambda handler, or None"
        require(context is None or callable(asks), expected, context, fix)
        self._context = context
        if context is not None:
            self.remaining_ms()
        elif os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
            warn_of_no_context()

    @property
    def request_id(self) -> object:
        """The AWS request id, or None."""
        return getattr(self._context, "aws_request_id", None)

    def remaining_ms(self) -> int | None:
        """Return the milliseconds left; None if there is no deadline."""
        if self._context is None:
            return None
        remaining_ms: object = self._context.get_remaining_time_in_millis()
        wrong = ""
        if isinstance(remaining_ms, bool) or not isinstance(remaining_ms, (int, float)):
            wrong = kind_of(remaining_ms)
        elif math.isfinite(remaining_ms):
            return int(remaining_ms)
        message = (
            f"context.get_remaining_time_in_millis() returned {wrong or remaining_ms}, expected a"
            " number of milliseconds; retrying does not help: pass Lambda's own context, and in"
            " tests cxone_idem.testing.FakeContext()"
        )
        raise TypeError(message)

    def left(self) -> str:
        """Return how much time is left, in words; nothing if time is no reason to stop."""
        return f"{self.remaining_ms()} ms of the invocation were left"

    def spare_seconds(self, min_remaining_seconds: float) -> float:
        """Return for how long work may still be started; infinite if there is no deadline."""
        remaining_ms = self.remaining_ms()
        return math.inf if remaining_ms is None else remaining_ms / 1000 - min_remaining_seconds

    def budget(self) -> Budget:
        """Return how long a store may take: until there is just time left to log and return."""
        if self._context is None:
            return NO_DEADLINE
        return Budget(lambda: self.spare_seconds(_ANSWER_SECONDS), ATTEMPTS)

    def lease_ms(self, lease_seconds: float) -> int:
        """Return how long a claim made now must last: until its holder is provably dead."""
        remaining_ms = self.remaining_ms()
        if remaining_ms is None:
            return int(lease_seconds * 1000)
        return max(0, remaining_ms) + _KILL_MARGIN_MS


@functools.cache
def warn_of_no_context() -> None:
    """Log once a process that work on Lambda goes on without knowing its deadline."""
    logger.warning(
        "no Lambda context was passed: leases last CXONE_IDEM_LEASE_SECONDS and nothing keeps work"
        " from starting too late; pass the handler's second argument as context=context"
        " (@once takes it as the second argument of the function)"
    )
