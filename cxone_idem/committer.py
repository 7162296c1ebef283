"""Group commit of completions: those that come close together go to the store together.

The handler of the next message need not wait for the answer, so a completion costs a batch no time
while handlers run. A completion waits a millisecond for others, and for the group before its own.
"""

from __future__ import annotations

from threading import Condition, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.acquisition import Acquisition
    from cxone_idem.claimed import Claimed
    from cxone_idem.claims import Claims
    from cxone_idem.errors import IdemError

# A fifth or less of a round trip to DynamoDB, so it hardly lengthens the window between a side
# effect and its record; and enough for a batch of handlers that only touch memory to end together.
_LINGER_SECONDS = 0.001


class Committer:
    """Completes claims in a thread of its own, from the first one until `close`."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._changed = Condition()
        self._waiting: list[Claimed] = []
        self._errors: dict[Claimed, IdemError | None] = {}
        self._closed = False
        self._all_here = False
        """No other completion will join those that wait."""
        self._thread: Thread | None = None
        self._failure: BaseException | None = None

    def submit(self, claim: Claimed, *, last: bool) -> None:
        """Have `claim` completed within a group; at once, here, if it is the only one.

        After the `last` one there is nothing to do meanwhile, so it is not worth a thread.
        """
        if last and self._thread is None:
            self._commit([claim])
            return
        with self._changed:
            self._waiting.append(claim)
            self._all_here = last
            if self._thread is None:
                self._thread = Thread(target=self._work, name="cxone_idem-committer", daemon=True)
                self._thread.start()
            if last or len(self._waiting) == 1:
                self._changed.notify()

    def carry(self, ways: Sequence[Acquisition]) -> None:
        """Send the next writes of `ways` along with the completions that wait, if there are any."""
        with self._changed:
            group, self._waiting = self._waiting, []
        if group:
            self._commit(group, ways)

    def close(self) -> dict[Claimed, IdemError | None]:
        """Wait until every completion is settled; return each one's error, or None."""
        with self._changed:
            self._closed = self._all_here = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._errors

    def _work(self) -> None:
        try:
            while group := self._next_group():
                self._commit(group)
        except BaseException as failure:  # noqa: BLE001 -- raised again in the thread that closes
            self._failure = failure

    def _commit(self, group: list[Claimed], beside: Sequence[Acquisition] = ()) -> None:
        self._errors.update(zip(group, self._claims.complete_all(group, beside), strict=True))

    def _next_group(self) -> list[Claimed]:
        """Return what is to be completed next; nothing once all is."""
        with self._changed:
            while not self._closed:
                if not self._waiting:
                    self._changed.wait()
                    continue
                self._changed.wait_for(lambda: self._all_here, _LINGER_SECONDS)
                if self._waiting:  # nobody carried it away meanwhile
                    break
            group, self._waiting = self._waiting, []
            return group
