"""What this process holds, what it has still to record, and what it has seen done."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from cxone_idem.protocol import is_past_retention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.claimed import Claimed
    from cxone_idem.record import Record
    from cxone_idem.writer import Moment, Writer

# Duplicates come within seconds; a thousand records are well under a megabyte, or a few with
# results of this length. A key with a longer one is asked for again.
_KEYS_MAX = 1000
_RESULT_MAX = 2000
# What is done is recorded again at the next three chances, as a blip is soon over; what still fails
# then is left alone for 1 s, 2 s and so on up to a minute, as it has a reason of its own.
_AT_ONCE = 3
_PAUSE_FIRST_MS = 1000
_DOUBLINGS_MAX = 6
_FAILURES_MAX = _AT_ONCE + 1 + _DOUBLINGS_MAX


class _Pending(NamedTuple):
    claim: Claimed
    since: Moment
    failures: int

    @property
    def pause_ms(self) -> int:
        """How long to leave it alone."""
        if self.failures <= _AT_ONCE:
            return 0
        return _PAUSE_FIRST_MS << min(self.failures, _FAILURES_MAX) - _AT_ONCE - 1


class Holdings:
    """The claims of one deduplicator, by partition key. Plain data; thread-safe.

    What is seen done is remembered for `remember_seconds`, by the time of `writer`.
    """

    def __init__(self, writer: Writer, remember_seconds: float) -> None:
        self._writer = writer
        self._remember_ms = remember_seconds * 1000
        self._lock = Lock()
        self._held: dict[str, Claimed] = {}
        self._pending: dict[str, _Pending] = {}
        self._done: dict[str, tuple[Record, Moment]] = {}
        self._in_doubt: dict[str, Claimed] = {}

    def add(self, claim: Claimed, store_time_ms: int) -> None:
        """Hold `claim` until it is dropped; forget claims that were abandoned a retention ago."""
        with self._lock:
            # Delete first, or a key claimed anew would keep its old place in the order of age.
            self._held.pop(claim.record.partition_key, None)
            self._held[claim.record.partition_key] = claim
            oldest = next(iter(self._held.values())).record
            if oldest.expires_at is not None and oldest.expires_at * 1000 <= store_time_ms:
                del self._held[oldest.partition_key]

    def renew(self, claim: Claimed) -> None:
        """Put `claim`, if it is held, last in the order in which claims expire."""
        where = claim.record.partition_key
        with self._lock:
            if self._held.get(where) is claim:
                self._held[where] = self._held.pop(where)

    def get(self, partition_key: str) -> Claimed | None:
        """Return the claim held on a key."""
        with self._lock:
            return self._held.get(partition_key)

    def is_held(self, record: Record) -> bool:
        """Tell whether a stored record is that of a claim which this process holds."""
        held = self.get(record.partition_key)
        return held is not None and held.record.version == record.version

    def open(self) -> list[Claimed]:
        """Return the claims whose work is not done, oldest first."""
        with self._lock:
            return [claim for where, claim in self._held.items() if where not in self._pending]

    def drop(self, claim: Claimed) -> None:
        """Forget `claim`: it is settled or lost."""
        where = claim.record.partition_key
        with self._lock:
            if self._held.get(where) is claim:
                del self._held[where]
            if where in self._pending and self._pending[where].claim is claim:
                del self._pending[where]

    def forget(self, partition_key: str) -> None:
        """Forget that the work on a key is done."""
        with self._lock:
            self._done.pop(partition_key, None)
            if self._pending.pop(partition_key, None):
                self._held.pop(partition_key, None)

    def remember_done(self, record: Record) -> None:
        """Keep in mind that a key is done, so that the next duplicate costs no request."""
        with self._lock:
            self._done.pop(record.partition_key, None)
            if not self._remember_ms or len(record.result or "") > _RESULT_MAX:
                return
            self._done[record.partition_key] = record, self._writer.moment()
            if len(self._done) > _KEYS_MAX:
                del self._done[next(iter(self._done))]

    def done(self, partition_key: str) -> Record | None:
        """Return the record of a key that was seen done lately, unless it is past its retention."""
        with self._lock:
            found = self._done.get(partition_key)
            if found is None:
                return None
            record, since = found
            if self._writer.elapsed_ms(since) >= self._remember_ms:
                del self._done[partition_key]
                return None
        return None if is_past_retention(record, self._writer.store_ms()) else record

    def remember_unrecorded(self, claim: Claimed, *, lasting: bool = False) -> None:
        """Keep `claim`, whose work is done but whose completion the store did not take.

        If the reason is a lasting one, there is little use in trying again soon.
        """
        where = claim.record.partition_key
        with self._lock:
            before = self._pending.get(where)
            failures = before.failures + 1 if before and before.claim is claim else 1
            failures = _FAILURES_MAX if lasting else failures
            self._pending[where] = _Pending(claim, self._writer.moment(), failures)

    def unrecorded(self, partition_key: str) -> Claimed | None:
        """Return the claim whose completion is still to be recorded for a key."""
        with self._lock:
            found = self._pending.get(partition_key)
        return found.claim if found else None

    def due(self) -> list[Claimed]:
        """Return the claims whose completion is worth another try now."""
        with self._lock:
            return [
                one.claim
                for one in self._pending.values()
                if self._writer.elapsed_ms(one.since) >= one.pause_ms
            ]

    def doubt(self, claim: Claimed) -> None:
        """Keep `claim`, which may be stored, and under which nothing was begun."""
        where = claim.record.partition_key
        with self._lock:
            self._in_doubt.pop(where, None)
            self._in_doubt[where] = claim
            if len(self._in_doubt) > _KEYS_MAX:
                del self._in_doubt[next(iter(self._in_doubt))]

    def take_in_doubt(self, partition_keys: Sequence[str]) -> list[Claimed]:
        """Hand out the claims on these keys that may be stored, to be released."""
        with self._lock:
            found = [self._in_doubt.pop(where, None) for where in partition_keys]
        return [claim for claim in found if claim is not None]
