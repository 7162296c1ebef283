"""Group commit of completions: those that come close together go to the store together.

The handler of the next message need not wait for the answer, so a completion costs a batch no time
while handlers run. It waits `CXONE_IDEM_LINGER_MS` for others, and for the group before its own.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import copy_context
from threading import Condition, Thread

from cxone_idem.claims.invocation import Invocation
from cxone_idem.claims.manager import ClaimManager
from cxone_idem.claims.session import unexpected_error
from cxone_idem.errors import IdemError
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import State
from cxone_idem.text import quoted

# As many as go in one request (BatchExecuteStatement takes 25 statements).
_GROUP_MAX = 25

logger = logging.getLogger("cxone_idem")


class GroupCommitter:
    """Completes claims in a thread of its own, from the first one until `close`.

    What it is given is done, so whatever goes wrong here is that completion's error and is never
    raised. Where no thread can be started, `submit` completes.
    """

    def __init__(self, claims: ClaimManager, invocation: Invocation) -> None:
        self._claims = claims
        self._invocation = invocation
        self._oldest = claims.runtime.monotonic()
        """The time at which the oldest of those that wait came."""
        self._context = copy_context()
        self._changed = Condition()
        self._waiting: list[HeldClaim] = []
        self._errors: dict[HeldClaim, IdemError | None] = {}
        self._closed = False
        self._thread: Thread | None = None

    def submit(self, held: HeldClaim, *, last: bool) -> None:
        """Have a claim completed within a group.

        After the `last` one there is nothing to do meanwhile, so it is not worth a thread: it goes
        from here, with those that wait, and does not wait for the group that is on its way.
        """
        with self._changed:
            if not last and (self._thread is not None or self._start()):
                if not self._waiting:
                    self._oldest = self._claims.runtime.monotonic()
                self._waiting.append(held)
                if len(self._waiting) in {1, _GROUP_MAX}:
                    self._changed.notify()
                return
            group, self._waiting = [*self._waiting, held], []
        self._commit(group)

    def close(self) -> dict[HeldClaim, IdemError | None]:
        """Wait until every completion is settled; return each one's error, or None."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        return self._errors

    def _start(self) -> bool:
        """Start the thread; return whether there was one to be had."""
        work = (self._work,)
        thread = Thread(
            target=self._context.run, args=work, name="cxone_idem-committer", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _work(self) -> None:
        while group := self._next_group():
            with suppress(BaseException):  # it is logged, and others wait for this thread
                self._commit(group)

    def _commit(self, group: list[HeldClaim]) -> None:
        try:
            errors = self._claims.complete_all(group)
        except BaseException as error:
            self._errors.update({held: self._unrecorded(held, error) for held in group})
            if not isinstance(error, Exception):
                raise
        else:
            self._errors.update(zip(group, errors, strict=True))

    def _unrecorded(self, held: HeldClaim, cause: BaseException) -> IdemError | None:
        """Remember work that is done, as nobody knows whether its completion was recorded."""
        if held.record.state is State.DONE:
            return None
        self._claims.add_pending(held)
        logger.error("key %s was not completed", quoted(held.key), exc_info=cause)
        return unexpected_error(cause, "complete")

    def _next_group(self) -> list[HeldClaim]:
        """Return what is to be completed next; nothing once all is."""
        with self._changed:
            while not self._closed and not self._waiting:
                self._changed.wait()
            if self._waiting:
                self._changed.wait_for(self._is_ready, self._linger_seconds())
            group, self._waiting = self._waiting, []
            return group

    def _is_ready(self) -> bool:
        return self._closed or len(self._waiting) >= _GROUP_MAX

    def _linger_seconds(self) -> float:
        config, now = self._claims.config, self._claims.runtime.monotonic()
        left_seconds = config.linger_ms / 1000 - (now - self._oldest)
        spare_seconds = self._invocation.spare_seconds(config.min_remaining_seconds)
        return max(0, min(left_seconds, spare_seconds))
