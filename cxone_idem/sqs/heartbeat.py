"""The heartbeat of long work: leases extended and messages kept invisible while handlers run."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread

from cxone_idem.claims.manager import ClaimManager
from cxone_idem.errors import ClaimLostError, IdemError, QueueError
from cxone_idem.protocol.clock import LEASE_MARGIN_MS
from cxone_idem.protocol.held_claim import HeldClaim
from cxone_idem.record import State
from cxone_idem.sqs.queue import SqsQueue, VisibilityChange
from cxone_idem.sqs.visibility import VISIBILITY_MAX_SECONDS
from cxone_idem.text import counted, quoted

logger = logging.getLogger("cxone_idem")

# Two beats in a row may fail before a lease is in danger.
_BEATS_A_LEASE = 3


class Heartbeat:
    """Beats three times a lease, in a thread of its own, for as long as a batch is worked on.

    `wait` waits for an event so many seconds and says whether it happened.
    """

    def __init__(
        self,
        claims: ClaimManager,
        queue: SqsQueue,
        wait: Callable[[Event, float], bool] = Event.wait,
    ) -> None:
        self._claims = claims
        self._queue = queue
        self._wait = wait
        lease_seconds = claims.config.lease_seconds
        self.visibility_seconds = min(
            math.ceil(lease_seconds + LEASE_MARGIN_MS / 1000), VISIBILITY_MAX_SECONDS
        )
        """The time a message stays hidden: as long as a lease, should this process die."""
        self._pause_seconds = min(lease_seconds, self.visibility_seconds) / _BEATS_A_LEASE

    @contextmanager
    def keeping(self, handles: Sequence[str]) -> Iterator[None]:
        """Keep messages hidden, and every open claim, until the block ends; then beat no more."""
        over = Event()
        work = (self._work, handles, over)
        thread = Thread(
            target=copy_context().run, args=work, name="cxone_idem-heartbeat", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning(
                "the heartbeat of %s has no thread (%s): what is not done in %d s may be delivered"
                " again, and run a second time meanwhile",
                counted(len(handles), "message"),
                error,
                self.visibility_seconds,
            )
        try:
            yield
        finally:
            over.set()
            if thread.ident is not None:
                thread.join()

    def _work(self, handles: Sequence[str], over: Event) -> None:
        while not self._wait(over, self._pause_seconds):
            for claim in self._claims.open_claims():
                if over.is_set():
                    return
                self._extend(claim)
            if not over.is_set():
                self._hide(handles)

    def _extend(self, claim: HeldClaim) -> None:
        try:
            self._claims.renew_if_stale(claim)
        except ClaimLostError as error:
            # Settled since it was listed, it is not lost.
            if claim.record.state is State.IN_PROGRESS:
                text = "the claim was lost while its handler runs: the work may be done twice: %s"
                logger.error(text, error)
        except IdemError as error:
            logger.warning("the lease on key %s was not extended: %s", quoted(claim.key), error)
        except BaseException:  # even SystemExit would end this thread alone, and unseen
            logger.exception("the lease on key %s was not extended", quoted(claim.key))

    def _hide(self, handles: Sequence[str]) -> None:
        text = "messages in work may be delivered again"
        wanted = [VisibilityChange(handle, self.visibility_seconds) for handle in handles]
        try:
            refused = [*self._queue.change_visibility(wanted).values()]
            if refused:
                logger.warning("%s (%d of %d): %s", text, len(refused), len(wanted), refused[0])
        except QueueError as error:
            logger.warning("%s: %s", text, error)
        except BaseException:  # as above
            logger.exception(text)
