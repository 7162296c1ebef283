"""A key that is too coarse or too fine, noticed from what comes by, and named once in the log.

It remembers the last 1,000 keys and the last 1,000 subjects of this process, as hashes and event
ids: well under a megabyte. What is further apart, or came to another process, it does not see.
"""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Any

from cxone_idem.events import NOTHING_FOUND
from cxone_idem.outcome_log import FIELD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.outcome import Outcome

logger = logging.getLogger("cxone_idem")

_REMEMBERED_MAX = 1000
# Two real events of one conversation may fall in one second of a coarse clock; hardly three times.
_SPLIT_SUBJECTS = 3
# Without a conversation to compare: a producer repeats itself within minutes, and not that often.
_EVENTS_FAR_APART = 5
_FAR_APART_MS = 60 * 60 * 1000
_EVENTS_WITHOUT_CONTENT = 10
_FINDS_NOTHING = "fingerprint_finds_nothing"

_COMPARED = ("conversation", "type")


class _Sighting:
    """An event that came by. Of texts that may be long or private only hashes are kept."""

    __slots__ = ("event_id", "events", "key", "subject", "times_ms")

    def __init__(self, outcome: Outcome) -> None:
        origin = outcome.origin
        self.key = hash(outcome.key)
        self.subject = tuple(None if part is None else hash(part) for part in outcome.subject)
        self.event_id = origin.event_id
        self.events: tuple[str | None, ...] = (origin.event_id,)
        self.times_ms: tuple[int, ...] = () if origin.sent_at_ms is None else (origin.sent_at_ms,)

    def widen(self, other: _Sighting) -> None:
        """Take in another event with the same key."""
        times_ms = (*self.times_ms, *other.times_ms)
        self.times_ms = (min(times_ms), max(times_ms)) if times_ms else ()
        if len(self.events) < _EVENTS_FAR_APART and other.event_id not in self.events:
            self.events += other.events

    @property
    def is_far_apart(self) -> bool:
        """Whether one producer's repetition of one event explains it badly."""
        apart_ms = self.times_ms[-1] - self.times_ms[0] if self.times_ms else 0
        return len(self.events) >= _EVENTS_FAR_APART and apart_ms >= _FAR_APART_MS


class KeyQuality:
    """Looks on at batches. Thread-safe; says each thing once, and changes nothing.

    It says that the key is too coarse as soon as an event counts as a duplicate of one of another
    conversation or type; where events name no conversation, when one key has had 5 event ids over
    an hour or more. It says that the key is too fine when 3 times two events had the same
    conversation, type and timestamp and different keys, which real events could by chance.
    """

    def __init__(self, expression: str, fingerprint: str) -> None:
        self._settings = {"CXONE_IDEM_KEY": expression, "CXONE_IDEM_FINGERPRINT": fingerprint}
        self._lock = Lock()
        self._by_key: dict[int, _Sighting] = {}
        self._by_subject: dict[int, _Sighting] = {}
        self._split: set[int] = set()
        self._without_content = 0
        self._said: set[str] = set()

    def __call__(self, outcomes: Sequence[Outcome]) -> None:
        """Look at the messages of a batch."""
        with self._lock:
            for outcome in outcomes:
                if outcome.key:
                    self._look(outcome)

    def _look(self, outcome: Outcome) -> None:
        now = _Sighting(outcome)
        first = self._by_key.setdefault(now.key, now)
        if first is not now and outcome.cause is not None:
            self._compare_events(first, now, outcome)
        _forget_oldest(self._by_key)
        if None not in now.subject:
            self._compare_keys(now, outcome)
        self._check_fingerprint(outcome.fingerprint)

    def _compare_events(self, first: _Sighting, now: _Sighting, outcome: Outcome) -> None:
        # Timestamps may differ: whoever emits an event again may stamp it again.
        for name, one, other in zip(_COMPARED, first.subject[:2], now.subject[:2], strict=True):
            if one is not None and other is not None and one != other:
                self._say_too_coarse(first, outcome, f"which differ in {name}")
                return
        if None in {first.subject[0], now.subject[0]}:
            first.widen(now)
            if first.is_far_apart:
                many = f"and of {_EVENTS_FAR_APART - 2} more over an hour or longer"
                self._say_too_coarse(first, outcome, many)

    def _say_too_coarse(self, first: _Sighting, outcome: Outcome, why: str) -> None:
        evidence = {"key": outcome.key, **_ids(first, outcome)}
        text = (
            "the key is too coarse: %r is the key of events %s and %s, {}, so real events are taken"
            " for duplicates; change CXONE_IDEM_KEY, now %r, and set CXONE_IDEM_FINGERPRINT to have"
            " such events fail instead"
        )
        ids = (first.event_id, outcome.origin.event_id)
        expression = self._settings["CXONE_IDEM_KEY"]
        self._say("key_too_coarse", evidence, text.format(why), outcome.key, *ids, expression)

    def _compare_keys(self, now: _Sighting, outcome: Outcome) -> None:
        subject = hash(now.subject)
        first = self._by_subject.setdefault(subject, now)
        _forget_oldest(self._by_subject)
        if first.key == now.key or len(self._split) >= _SPLIT_SUBJECTS:
            return
        self._split.add(subject)
        if len(self._split) < _SPLIT_SUBJECTS:
            return
        named = ", the EventBridge id" if outcome.key == outcome.origin.event_id else ""
        self._say(
            "key_too_fine",
            {"key": outcome.key, **_ids(first, outcome)},
            f"the key is too fine: {_SPLIT_SUBJECTS} times two events had the same conversation,"
            " type and timestamp and different keys, last events %s and %s; if they are one event,"
            f" it ran twice: CXONE_IDEM_KEY, now %r{named}, changes with each emission",
            first.event_id,
            outcome.origin.event_id,
            self._settings["CXONE_IDEM_KEY"],
        )

    def _check_fingerprint(self, fingerprint: str | None) -> None:
        if fingerprint is None:
            return
        if fingerprint != NOTHING_FOUND:
            # One event with content shows that the expression can find some.
            self._said.add(_FINDS_NOTHING)
            return
        self._without_content += 1
        if self._without_content == _EVENTS_WITHOUT_CONTENT:
            self._say(
                _FINDS_NOTHING,
                {},
                f"in each of the first {_EVENTS_WITHOUT_CONTENT} events CXONE_IDEM_FINGERPRINT, now"
                " %r, finds nothing, so it tells no two events apart",
                self._settings["CXONE_IDEM_FINGERPRINT"],
            )

    def _say(self, finding: str, evidence: dict[str, Any], text: str, *values: object) -> None:
        if finding not in self._said:
            self._said.add(finding)
            logger.warning(text, *values, extra={FIELD: {"finding": finding, **evidence}})


def _ids(first: _Sighting, outcome: Outcome) -> dict[str, Any]:
    return {"first_event_id": first.event_id, "event_id": outcome.origin.event_id}


def _forget_oldest(sightings: dict[int, _Sighting]) -> None:
    if len(sightings) > _REMEMBERED_MAX:
        del sightings[next(iter(sightings))]
