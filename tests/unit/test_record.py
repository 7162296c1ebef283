"""The partition key of a key of any length."""

from __future__ import annotations

import hashlib

from cxone_idem.record import partition_key


def test_no_short_key_is_taken_for_a_long_one() -> None:
    """A key that reads like the hash of a long one gets a place of its own."""
    long = "x" * 3000
    imitation = "sha256:" + hashlib.sha256(long.encode()).hexdigest()
    assert partition_key("", long) == imitation
    assert partition_key("", imitation) != imitation
