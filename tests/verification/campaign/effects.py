"""The side effect that must happen once, and the misfortunes of making it."""

from __future__ import annotations

import os
import random
import signal
import time
from threading import Event
from typing import TYPE_CHECKING, Any

from tests.verification.campaign.ills import Ill
from tests.verification.campaign.plan import FREEZE_SECONDS

if TYPE_CHECKING:
    from tests.verification.campaign.ledger import Ledger
    from tests.verification.campaign.worker import Worker

_KILLED_BEFORE = 0.003
_KILLED_AFTER = 0.005
_RAISES = 0.02
_SLOW = 0.02


class Effects:
    """A handler that appends one effect to the ledger, unless it raises or is killed first."""

    def __init__(self, ledger: Ledger, seed: str, worker: Worker) -> None:
        self._ledger = ledger
        self._random = random.Random(seed)  # noqa: S311 -- repeatable
        self._worker = worker

    def make(self, envelope: dict[str, Any]) -> None:
        """Make the effect of one event."""
        key = envelope["detail"]["IdempotencyKey"]
        self._ledger.write("start", key=key, **self._worker.held(key))
        try:
            self._suffer_and_make(key, envelope["detail"].get("ill"))
        finally:
            self._ledger.write("left", key=key)

    def _suffer_and_make(self, key: str, ill: str | None) -> None:
        self._befall(key, ill)
        if self._random.random() < _RAISES:
            self._ledger.write("raise", key=key)
            message = "the handler fails before its effect, as its plan says"
            raise RuntimeError(message)
        slow = self._random.random() < _SLOW
        time.sleep(self._random.uniform(0.1, 0.5) if slow else self._random.uniform(0, 0.004))
        self._maybe_die("before the effect", key, _KILLED_BEFORE)
        self._maybe_hang(ill == Ill.HANGS_BEFORE)
        self._ledger.write("effect", key=key)
        self._maybe_die("between effect and record", key, _KILLED_AFTER)
        self._maybe_hang(ill == Ill.HANGS_AFTER)

    def _befall(self, key: str, ill: str | None) -> None:
        if ill == Ill.VANISHES:
            self._worker.vanish(key)
        if ill == Ill.STEPS:
            self._worker.step(self._random.uniform(-1, 1))
        if ill == Ill.STEPS_BACK_AND_PAUSES:
            self._worker.step(self._random.uniform(-1, -0.5))
            time.sleep(0 if self._worker.context else self._random.uniform(*FREEZE_SECONDS))

    def _maybe_die(self, where: str, key: str, share: float) -> None:
        if self._random.random() < share and not self._worker.in_peace:
            self._ledger.write("kill", where=where, key=key)
            os.killpg(0, signal.SIGKILL)

    def _maybe_hang(self, hangs: bool) -> None:  # noqa: FBT001 -- reads as the sentence it is
        if hangs and self._worker.context:
            Event().wait()
