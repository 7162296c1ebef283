"""The cap on attempts, on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from cxone_idem import AttemptsExhaustedError, Config, Deduplicator
from cxone_idem.record import State
from tests.support.clocks import MovableClock, TellsTime
from tests.unit.protocol.test_claim_attempt import PAST_THE_LEASE_SECONDS, TWICE


def worker(table: Any, clock: MovableClock, config: Config = TWICE) -> Deduplicator:
    """Return a consumer of its own: only the table is shared with other workers."""
    return Deduplicator(TellsTime(table.store(), clock), config, now=clock)


@pytest.mark.parametrize("ends", ["released", "lapsed"])
def test_a_key_is_not_tried_again_beyond_the_cap(
    table: Any, clock: MovableClock, ends: str
) -> None:
    """Released or left to lapse, two attempts are all; the refusal costs one write."""
    for attempt in (1, 2):
        claim = worker(table, clock).claim("k")
        assert claim
        assert claim.generation == attempt
        if ends == "released":
            claim.release()
        else:
            clock.advance(PAST_THE_LEASE_SECONDS)
    requests = table.requests
    with pytest.raises(AttemptsExhaustedError) as caught:
        worker(table, clock).claim("k")
    assert table.requests == requests + 1
    assert (caught.value.attempts, caught.value.limit) == (2, 2)
    assert "tried 2 times" in str(caught.value)
    assert "CXONE_IDEM_MAX_ATTEMPTS" in str(caught.value)
    assert worker(table, clock, Config(max_attempts=3)).claim("k")


def test_the_last_attempt_is_not_disturbed(table: Any, clock: MovableClock) -> None:
    """While it lasts the key is in progress, and what it completes is done."""
    config = Config(max_attempts=1)
    claim = worker(table, clock, config).claim("k")
    assert claim
    with pytest.raises(Exception, match="in progress"):
        worker(table, clock, config).claim("k")
    claim.complete()
    assert not worker(table, clock, config).claim("k")


def test_past_the_retention_a_key_has_a_new_life(table: Any, clock: MovableClock) -> None:
    """Whether it was done or tried out: as if TTL had deleted its record."""
    for verb in ("complete", "release"):
        claim = worker(table, clock, Config(max_attempts=1, retention_seconds=60)).claim(verb)
        assert claim
        getattr(claim, verb)()
        clock.advance(10_000)
        again = worker(table, clock, Config(max_attempts=1, retention_seconds=60)).claim(verb)
        assert again
        assert again.generation == 2


def test_a_returned_claim_is_stored_as_released(items: Any, clock: MovableClock) -> None:
    """On every engine a record that was never tried reads back as free, with no attempt."""
    claim = worker(items, clock).claim("k")
    assert claim
    deduplicator = worker(items, clock)
    assert deduplicator.claims.release_all([claim.held], counts=False) == [None]
    assert items.item("k")["generation"] == {"N": "0"}
    assert items.item("k")["state"] == {"S": State.RELEASED.value}
    again = worker(items, clock).claim("k")
    assert again
    assert again.generation == 1
