"""One claim and its completion outside a batch, beside two bare calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem import AlreadyDone, Claimed
from tests.bench.batches import fresh_keys
from tests.bench.sample import Samples

if TYPE_CHECKING:
    from tests.bench.contender import Bare, CxoneIdem
    from tests.bench.report import Report

_BLOCK = 10


def claim_and_complete(us: CxoneIdem, key: str) -> None:
    """Do with a key what a consumer does."""
    claim = us.deduplicator.claim(key)
    assert isinstance(claim, Claimed)
    claim.complete()


def requests_of(us: CxoneIdem) -> tuple[int, int, int]:
    """Return the requests of a first delivery, of a duplicate, and of one known to this process."""
    (key,) = fresh_keys(1)
    counts = []
    for step in ("first", "known here", "elsewhere"):
        if step == "elsewhere":
            us.restart()
        before = us.tap.requests
        if step == "first":
            claim_and_complete(us, key)
        else:
            assert isinstance(us.deduplicator.claim(key), AlreadyDone)
        counts.append(us.tap.requests - before)
    first, known, elsewhere = counts
    return first, elsewhere, known


def measure(report: Report, us: CxoneIdem, bare: Bare, rounds: int) -> None:
    """Fill in the rows of single claims. The wire is the engine's own: CPU is what is compared."""
    ours, theirs, same = Samples(), Samples(), Samples()
    recorded: list[dict[str, Any]] = []
    us.client.meta.events.register(
        "provide-client-params.dynamodb.PutItem", lambda params, **_: recorded.append(params)
    )
    for _ in range(rounds + 1):
        recorded.clear()
        with ours.run():
            for key in fresh_keys(_BLOCK):
                claim_and_complete(us, key)
        with theirs.run():
            for key in fresh_keys(_BLOCK):
                bare.claim(key)
                bare.complete(key)
        calls = [_under_a_new_key(call) for call in recorded]
        with same.run():
            for call in calls:
                bare.client.put_item(**call)
    per_event = {
        "cxone_idem": ours.cpu_ms / _BLOCK,
        "bare put + update": theirs.cpu_ms / _BLOCK,
        "the same writes, bare": same.cpu_ms / _BLOCK,
    }
    for name, cpu_ms in per_event.items():
        report.add("single", f"claim + complete: {name}, CPU", cpu_ms, "ms")
    report.chart("claim + complete: CPU an event (ms)", per_event)
    report.add("single", "CPU / bare put + update", ours.cpu_ms / theirs.cpu_ms, "x", 1.05)
    report.add("single", "CPU / the same writes, bare", ours.cpu_ms / same.cpu_ms, "x", 1.05)
    for what, count, most in zip(
        ("claim + complete", "duplicate", "duplicate, done by this process"),
        requests_of(us),
        (2, 1, 0),
        strict=True,
    ):
        report.add("single", f"requests: {what}", count, "", most)


def _under_a_new_key(call: dict[str, Any]) -> dict[str, Any]:
    key = call["Item"]["id"]["S"]
    return {**call, "Item": {**call["Item"], "id": {"S": f"{key}-replayed"}}}
