"""Has the messages of a Lambda batch come back when it is worth it; opt-in."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from cxone_idem.aws_client import ProcessClient
from cxone_idem.chance import random_share
from cxone_idem.errors import QueueError
from cxone_idem.sqs_queue import (
    ANSWER_SECONDS,
    REQUEST_MAX_SECONDS,
    SqsQueue,
    create_client,
    tens,
    url_of,
)
from cxone_idem.visibility import changes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.invocation import Invocation
    from cxone_idem.outcome import Outcome
    from cxone_idem.visibility import Change

logger = logging.getLogger("cxone_idem")

# Time for one request that hangs, and half a second to return the batch's answer after it.
_NEEDED_MS = int(REQUEST_MAX_SECONDS * 1000) + 500


class Aligner:
    """Changes the visibility of what a batch did not do. Needs `sqs:ChangeMessageVisibility`.

    One attempt a request: whatever goes wrong, the message comes back with the queue's own
    visibility timeout, so there is nothing to insist on.
    """

    def __init__(self, client: Any = None, share: Callable[[], float] = random_share) -> None:
        create = partial(create_client, attempts=1, answer_seconds=ANSWER_SECONDS)
        self._client = ProcessClient(create, client)
        self._share = share

    def align(self, outcomes: Sequence[Outcome], invocation: Invocation) -> None:
        """Change visibility as `visibility.changes` says, while the invocation has the time."""
        wanted = changes(outcomes, self._share)
        arn = outcomes[0].message.queue_arn if outcomes else ""
        if not wanted or not arn.startswith("arn:"):
            return
        client = self._client()
        queue = SqsQueue(client, url_of(client, arn))
        unchanged, reason = self._change(queue, wanted, invocation)
        if unchanged:
            logger.warning(
                "the visibility of %d of %d messages was not changed (%s): they come back after"
                " the queue's visibility timeout",
                unchanged,
                len(wanted),
                reason,
            )

    def _change(
        self, queue: SqsQueue, wanted: Sequence[Change], invocation: Invocation
    ) -> tuple[int, object]:
        """Return how many messages keep their visibility, and why."""
        unchanged, reason = 0, None
        waiting = len(wanted)
        for chunk in tens(wanted):
            remaining_ms = invocation.remaining_ms()
            if remaining_ms is not None and remaining_ms < _NEEDED_MS:
                return unchanged + waiting, f"{remaining_ms} ms of the invocation are left"
            try:
                refused = queue.change_visibility(chunk)
            except QueueError as error:
                return unchanged + waiting, error
            waiting -= len(chunk)
            unchanged += len(refused)
            reason = next(iter(refused.values()), reason)
        return unchanged, reason
