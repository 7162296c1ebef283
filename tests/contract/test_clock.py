"""The date of an engine's own answers, and wrong clocks beside it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cxone_idem import Config, Deduplicator, InProgressError
from tests.unit.protocol.test_clock import LEASE_SECONDS


@pytest.mark.parametrize("ahead_seconds", [-1000, 1000])
def test_the_date_of_a_real_answer_governs(items: Any, ahead_seconds: int) -> None:
    """On an engine's own dates: a slow worker's lease holds, a fast worker takes nothing over."""
    config = Config(lease_seconds=LEASE_SECONDS)

    def wrong() -> float:
        return time.time() + ahead_seconds

    if ahead_seconds < 0:
        claim = Deduplicator(items.store(), config, now=wrong).claim("k")
        assert claim
        assert claim.record.lease_until_ms > (time.time() + LEASE_SECONDS) * 1000
    else:
        assert Deduplicator(items.store(), config).claim("k")
        with pytest.raises(InProgressError):
            Deduplicator(items.store(), config, now=wrong).claim("k")
