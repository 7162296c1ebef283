"""What this process holds: its open claims, and completions the store has not recorded yet."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING

from cxone_idem.errors import ClaimLostError, StoreError, quoted
from cxone_idem.protocol import is_past_retention

if TYPE_CHECKING:
    from cxone_idem.claimed import Claimed
    from cxone_idem.record import Record
    from cxone_idem.writer import Writer

# Duplicates come within seconds or minutes; a thousand records are well under a megabyte, or a few
# with results of this length. A key with a longer one is asked for again.
_DONE_KEYS_MAX = 1000
_RESULT_MAX = 2000

logger = logging.getLogger("cxone_idem")


class Holdings:
    """The claims of one deduplicator, by partition key. Thread-safe."""

    def __init__(self, done_keys_max: int = _DONE_KEYS_MAX) -> None:
        self._done_keys_max = done_keys_max
        self._lock = Lock()
        self._held: dict[str, Claimed] = {}
        self._unrecorded: dict[str, Claimed] = {}
        self._done: dict[str, Record] = {}

    def add(self, claim: Claimed, store_time_ms: int) -> None:
        """Hold `claim` until it is dropped; forget claims that were abandoned a retention ago."""
        with self._lock:
            # Delete first, or a key claimed anew would keep its old place in the order of age.
            self._held.pop(claim.record.partition_key, None)
            self._held[claim.record.partition_key] = claim
            oldest = next(iter(self._held.values())).record
            if oldest.expires_at is not None and oldest.expires_at * 1000 <= store_time_ms:
                del self._held[oldest.partition_key]

    def get(self, partition_key: str) -> Claimed | None:
        """Return the claim held on a key."""
        with self._lock:
            return self._held.get(partition_key)

    def open(self) -> list[Claimed]:
        """Return the claims whose work is not done, oldest first."""
        with self._lock:
            return [claim for where, claim in self._held.items() if where not in self._unrecorded]

    def drop(self, claim: Claimed) -> None:
        """Forget `claim`: it is settled or lost."""
        where = claim.record.partition_key
        with self._lock:
            for claims in (self._held, self._unrecorded):
                if claims.get(where) is claim:
                    del claims[where]

    def remember_done(self, record: Record) -> None:
        """Keep in mind that a key is done, so that the next duplicate costs no request."""
        with self._lock:
            self._done.pop(record.partition_key, None)
            if record.result is not None and len(record.result) > _RESULT_MAX:
                return
            self._done[record.partition_key] = record
            if len(self._done) > self._done_keys_max:
                del self._done[next(iter(self._done))]

    def done(self, partition_key: str, writer: Writer) -> Record | None:
        """Return the record of a key known to be done, unless it is past its retention."""
        with self._lock:
            record = self._done.get(partition_key)
        if record is None or is_past_retention(record, writer.store_ms()):
            return None
        return record

    def remember_unrecorded(self, claim: Claimed) -> None:
        """Keep `claim`, whose work is done but whose completion the store did not take."""
        with self._lock:
            self._unrecorded[claim.record.partition_key] = claim

    def unrecorded(self, partition_key: str) -> Claimed | None:
        """Return the claim whose completion is still to be recorded for a key."""
        with self._lock:
            return self._unrecorded.get(partition_key)

    def record_unrecorded(self) -> None:
        """Try again to record what is done; called when the store has just answered something."""
        with self._lock:
            waiting = list(self._unrecorded.values())
        for claim in waiting:
            try:
                claim.complete()
            except ClaimLostError:
                logger.exception("completion of key %s came too late", quoted(claim.key))
            except StoreError:
                return
            else:
                logger.info("completion of key %s is recorded at last", quoted(claim.key))
