"""The keys of this process: held, done but not yet recorded, ambiguous, seen done."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from cxone_idem.protocol.clock import Clock, Moment
from cxone_idem.protocol.decisions import is_past_retention
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import Record

Value = TypeVar("Value")

# Duplicates come within seconds. A thousand records are well under a megabyte, or a few with
# results of this length. A key with a longer one is asked for again.
_KEYS_MAX = 1000
_RESULT_MAX = 2000
# A pending completion is tried again three times as soon as possible, as a blip is soon over. What
# still fails then has a reason of its own: it rests for 1 s, 2 s and so on up to a minute.
_AT_ONCE = 3
_PAUSE_FIRST_MS = 1000
_DOUBLINGS_MAX = 6
_FAILURES_MAX = _AT_ONCE + 1 + _DOUBLINGS_MAX


class Recent(Generic[Value]):
    """A dict of the newest `most` keys. Not thread-safe by itself."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[str, Value] = {}

    def put(self, key: str, value: Value) -> None:
        """Keep a value as the newest; forget the oldest beyond `most`."""
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._most:
            del self._values[next(iter(self._values))]

    def get(self, key: str) -> Value | None:
        """Return a value that is kept."""
        return self._values.get(key)

    def pop(self, key: str) -> Value | None:
        """Return a value, and keep it no longer."""
        return self._values.pop(key, None)


class _Pending(NamedTuple):
    held: HeldClaim
    since: Moment
    failures: int

    @property
    def pause_ms(self) -> int:
        """The time to leave it alone."""
        if self.failures <= _AT_ONCE:
            return 0
        return _PAUSE_FIRST_MS << min(self.failures, _FAILURES_MAX) - _AT_ONCE - 1


class ClaimRegistry:
    """The keys of one deduplicator, by partition key. Plain data; thread-safe.

    A key that was seen done is remembered for `remember_seconds`.
    """

    def __init__(self, clock: Clock, remember_seconds: float) -> None:
        self._clock = clock
        self._remember_ms = remember_seconds * 1000
        self._lock = Lock()
        self._held: dict[str, HeldClaim] = {}
        self._pending: dict[str, _Pending] = {}
        self._done: Recent[tuple[Record, Moment]] = Recent(_KEYS_MAX)
        self._ambiguous: Recent[HeldClaim] = Recent(_KEYS_MAX)

    def add(self, held: HeldClaim, store_time_ms: int) -> None:
        """Hold a claim until it is dropped; forget claims that were abandoned a retention ago."""
        with self._lock:
            # Pop first, or a key claimed anew would keep its old place in the order of age.
            self._held.pop(held.record.partition_key, None)
            self._held[held.record.partition_key] = held
            oldest = next(iter(self._held.values())).record
            if oldest.expires_at is not None and oldest.expires_at * 1000 <= store_time_ms:
                del self._held[oldest.partition_key]

    def renew(self, held: HeldClaim) -> None:
        """Put a claim, if it is held, last in the order in which claims expire."""
        partition_key = held.record.partition_key
        with self._lock:
            if self._held.get(partition_key) is held:
                self._held[partition_key] = self._held.pop(partition_key)

    def get(self, partition_key: str) -> HeldClaim | None:
        """Return the claim held on a key."""
        with self._lock:
            return self._held.get(partition_key)

    def is_held(self, record: Record) -> bool:
        """Return whether a stored record is that of a claim which this process holds."""
        held = self.get(record.partition_key)
        return held is not None and held.record.version == record.version

    def open(self) -> list[HeldClaim]:
        """Return the claims whose work is not done, oldest first."""
        with self._lock:
            return [held for key, held in self._held.items() if key not in self._pending]

    def drop(self, held: HeldClaim) -> None:
        """Forget a claim: it is settled or lost."""
        partition_key = held.record.partition_key
        with self._lock:
            if self._held.get(partition_key) is held:
                del self._held[partition_key]
            if partition_key in self._pending and self._pending[partition_key].held is held:
                del self._pending[partition_key]

    def forget(self, partition_key: str) -> None:
        """Forget that the work on a key is done."""
        with self._lock:
            self._done.pop(partition_key)
            if self._pending.pop(partition_key, None):
                self._held.pop(partition_key, None)

    def remember_done(self, record: Record) -> None:
        """Remember that a key is done, so that the next duplicate costs no request."""
        with self._lock:
            self._done.pop(record.partition_key)
            if self._remember_ms and len(record.result or "") <= _RESULT_MAX:
                self._done.put(record.partition_key, (record, self._clock.moment()))

    def done(self, partition_key: str) -> Record | None:
        """Return the record of a key whose work is done, as far as this process knows."""
        with self._lock:
            pending = self._pending.get(partition_key)
            record, since = self._done.get(partition_key) or (None, None)
        if pending is not None:
            return pending.held.done_record
        if record is None or since is None:
            return None
        forgotten = self._clock.elapsed_ms(since) >= self._remember_ms
        return None if forgotten or is_past_retention(record, self._clock.store_ms()) else record

    def add_pending(self, held: HeldClaim, *, lasting: bool = False) -> None:
        """Keep a claim whose work is done but whose completion the store did not take.

        If the reason is a lasting one, there is little use in trying again soon.
        """
        partition_key = held.record.partition_key
        with self._lock:
            before = self._pending.get(partition_key)
            failures = before.failures + 1 if before and before.held is held else 1
            failures = _FAILURES_MAX if lasting else failures
            self._pending[partition_key] = _Pending(held, self._clock.moment(), failures)

    def pending(self, partition_keys: Sequence[str]) -> list[HeldClaim]:
        """Return the claims on these keys whose completion is still to be recorded."""
        with self._lock:
            found = [self._pending.get(one) for one in partition_keys]
        return [one.held for one in found if one is not None]

    def due(self) -> list[HeldClaim]:
        """Return the claims whose completion is worth another try now."""
        with self._lock:
            pending = [*self._pending.values()]
        return [one.held for one in pending if self._clock.elapsed_ms(one.since) >= one.pause_ms]

    def add_ambiguous(self, held: HeldClaim) -> None:
        """Keep a claim that may be stored, and under which no work was started."""
        with self._lock:
            self._ambiguous.put(held.record.partition_key, held)

    def pop_ambiguous(self, partition_keys: Sequence[str]) -> list[HeldClaim]:
        """Remove and return the claims on these keys that may be stored, to be released."""
        with self._lock:
            found = [self._ambiguous.pop(one) for one in partition_keys]
        return [held for held in found if held is not None]
