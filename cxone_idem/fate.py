"""What can become of a message, and which fates let Lambda delete it."""

from __future__ import annotations

from enum import Enum


class Fate(Enum):
    """What became of a message. Each counts as failed unless `DELETED` says otherwise."""

    COMPLETED = "completed"
    ALREADY_DONE = "already_done"
    SAME_BATCH = "same_batch"
    CLAIM_LOST = "claim_lost"
    UNRECORDED = "unrecorded"
    UNPROTECTED = "unprotected"
    IN_PROGRESS = "in_progress"
    HANDLER_FAILED = "handler_failed"
    SECOND_HANDLER = "second_handler"
    KEY_MISSING = "key_missing"
    OTHER_CONTENT = "other_content"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    STORE_FAILED = "store_failed"
    NO_TIME = "no_time"
    GROUP_BLOCKED = "group_blocked"


DELETED = frozenset(
    {
        Fate.COMPLETED,
        Fate.ALREADY_DONE,
        Fate.SAME_BATCH,
        # The handler returned: the effect is made, and running it again is what we are here to
        # prevent, whatever became of the record.
        Fate.CLAIM_LOST,
        Fate.UNRECORDED,
        Fate.UNPROTECTED,
    }
)
