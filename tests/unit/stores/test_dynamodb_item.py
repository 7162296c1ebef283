"""Records of every version so far, frozen as a file: each must be read the same for ever."""

from __future__ import annotations

import json
from pathlib import Path

from cxone_idem.record import NO_VERSION, Origin, Record, State
from cxone_idem.stores.dynamodb_item import Layout

# Written once by each version, and never edited: a table in use holds such items.
FROZEN = json.loads(Path(__file__).with_name("frozen_records.json").read_text())

ORIGIN = Origin("event-1", "message-1", 2, 1_800_000_000_000, "replay-1", "request-1")
EXPECTED = {
    "0.1.0": [
        Record(
            "consumer#in progress",
            State.IN_PROGRESS,
            "0f" * 16,
            1,
            lease_until_ms=1_800_000_300_000,
            expires_at=1_801_209_900,
            claimed_at_ms=1_800_000_000_000,
            origin=ORIGIN,
            fingerprint="0123456789abcdef",
        ),
        Record(
            "consumer#done",
            State.DONE,
            "1f" * 16,
            3,
            lease_until_ms=1_800_000_300_000,
            expires_at=1_801_209_600,
            claimed_at_ms=1_800_000_000_000,
            done_at_ms=1_800_000_000_500,
            origin=ORIGIN,
            fingerprint="0123456789abcdef",
            result='{"euro":12.5}',
        ),
        Record(
            "consumer#released",
            State.RELEASED,
            "2f" * 16,
            2,
            lease_until_ms=1_800_000_000_000,
            expires_at=1_801_209_600,
            claimed_at_ms=1_800_000_000_000,
            origin=Origin("event-2"),
        ),
        Record(
            "consumer#redone",
            State.RELEASED,
            "3f" * 16,
            1,
            lease_until_ms=1_800_000_000_000,
            expires_at=1_801_209_600,
            claimed_at_ms=1_800_000_000_000,
            done_at_ms=1_800_000_000_500,
        ),
        Record("consumer#never tried", State.RELEASED, "4f" * 16, 0, 1_800_000_000_000, None),
        Record("a marker", State.DONE, NO_VERSION, 0, 0, None),
        Record("a marker with TTL", State.DONE, NO_VERSION, 0, 0, 1_801_209_600),
    ]
}


def test_records_of_every_version_are_read_the_same_for_ever() -> None:
    """An update of this library finds done what an older one did."""
    for version, items in FROZEN.items():
        assert [Layout().to_record(item) for item in items] == EXPECTED[version]


def test_this_version_writes_what_it_reads() -> None:
    """Its own items are the frozen ones, attribute by attribute."""
    for record, item in zip(EXPECTED["0.1.0"][:5], FROZEN["0.1.0"], strict=False):
        assert Layout().to_item(record) == item
