"""A queue in the driver: messages hide when received and come back unless they are deleted."""

from __future__ import annotations

import heapq
import math
import random
import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from tests.support import events
from tests.verification.campaign.ills import ill_of
from tests.verification.campaign.plan import VISIBILITY_SECONDS

if TYPE_CHECKING:
    from tests.verification.campaign.plan import Plan

_BATCH_MAX = 8
_COPIES = (2, 3, 4)
# Half of the copies compete with the first, half come when it is long done.
_SOON_SECONDS = 0.2
_LATER_SECONDS = 8.0


def key_of(message_id: str) -> str:
    """Return the key of the event a message carries."""
    return message_id.partition("/")[0]


class Queue:
    """Every copy of every event. Thread-safe."""

    def __init__(self, plan: Plan) -> None:
        draw = random.Random(f"{plan.seed}:deliveries")  # noqa: S311 -- repeatable
        self._lock = Lock()
        self._feed_seconds = plan.feed_seconds
        self._ill_every_events = plan.ill_every_events
        self._visible: list[tuple[float, str]] = []
        self._receives: dict[str, int] = {}
        for number in range(plan.events):
            first = draw.uniform(0, plan.feed_seconds)
            for copy in range(draw.choice(_COPIES)):
                delay = draw.uniform(0, _SOON_SECONDS if draw.random() < 0.5 else _LATER_SECONDS)
                at = min(first + (delay if copy else 0), plan.feed_seconds)
                self._visible.append((at, f"event-{number:05d}/{copy}"))
        heapq.heapify(self._visible)
        self.messages = len(self._visible)
        self.deliveries = 0
        self._left = {message_id for _, message_id in self._visible}
        self._opened_at = math.inf
        self.progressed_at = math.inf

    def open(self) -> None:
        """Let the messages come, from now on."""
        self._opened_at = time.monotonic()
        self.progressed_at = self._opened_at + self._feed_seconds

    def receive(self) -> dict[str, Any] | None:
        """Return a Lambda event of the messages that are visible now; None if there are none."""
        with self._lock:
            now = time.monotonic() - self._opened_at
            received: list[str] = []
            while self._visible and self._visible[0][0] <= now and len(received) < _BATCH_MAX:
                _, message_id = heapq.heappop(self._visible)
                if message_id not in self._left:
                    continue
                heapq.heappush(self._visible, (now + VISIBILITY_SECONDS, message_id))
                self._receives[message_id] = self._receives.get(message_id, 0) + 1
                received.append(message_id)
            self.deliveries += len(received)
            if not received:
                return None
            return events.batch(*(self._record(message_id) for message_id in received))

    def settle(self, event: dict[str, Any], response: Any) -> None:
        """Delete what an invocation did not report as failed, as Lambda does."""
        if "batchItemFailures" not in response:
            return
        failed = set(events.failed(response))
        done = {record["messageId"] for record in event["Records"]} - failed
        with self._lock:
            self._left -= done
            if done:
                self.progressed_at = max(self.progressed_at, time.monotonic())

    def left(self) -> set[str]:
        """Return the messages that are not deleted."""
        with self._lock:
            return set(self._left)

    def _record(self, message_id: str) -> dict[str, Any]:
        key, _, copy = message_id.partition("/")
        received = self._receives[message_id]
        envelope = events.envelope(key)
        ill = ill_of(int(key.partition("-")[2]), self._ill_every_events)
        if ill and copy == "0" and received == 1:
            envelope["detail"]["ill"] = ill
        return events.record(message_id, envelope, ApproximateReceiveCount=str(received))
