"""The fault campaign's short form, and proof that its judge sees what it must see."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.campaign.faults import FAULTS
from tests.campaign.field import Outcome, fight
from tests.campaign.ledger import Line
from tests.campaign.plan import Plan
from tests.campaign.report import ILLS, Report, judge, text
from tests.engines import require, running

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = "dynamodb-local"
SEED = 20231027
SHORT = Plan(
    "protected",
    SEED,
    240,
    2.5,
    lambdas=6,
    services=2,
    forked=2,
    mean_seconds_between_kills=2,
)
CONTROL = Plan("naive", SEED, 80, 2, lambdas=4)


@pytest.fixture(scope="module")
def reports() -> Iterator[list[Report]]:
    """Return the reports of this library and of the negative control, which run at once."""
    require(ENGINE)
    with running(ENGINE) as new_table, ThreadPoolExecutor() as pool:
        fights = [pool.submit(fight, plan, new_table()) for plan in (SHORT, CONTROL)]
        yield [judge(outcome.result()) for outcome in fights]


@pytest.mark.engine
def test_nothing_is_lost_doubled_without_a_cause_or_stuck(reports: list[Report]) -> None:
    """Under kills, faults and wrong clocks every promise holds, and all of these did happen."""
    report = reports[0]
    assert report.is_clean, text(report)
    assert report.processed >= SHORT.events - len(report.held)
    assert {"at the deadline", "at random"} <= report.kills.keys()
    assert report.ills.keys() == set(ILLS.values())
    assert [kind for kind in FAULTS if not report.outcome.faults[kind]] == []


@pytest.mark.engine
def test_the_naive_consumer_doubles(reports: list[Report]) -> None:
    """Negative control: check, process, insert makes doubles that no kill explains."""
    assert reports[1].unexplained


def outcome(*lines: tuple[float, int, str, dict[str, Any]], left: str = "") -> Outcome:
    """Return the end of a campaign of one event, with this ledger."""
    done = {"event-00000": {"state": {"S": "DONE"}}}
    return Outcome(
        plan=Plan("protected", SEED, 1, 1, lambdas=1),
        lines=[Line(*line) for line in lines],
        faults=Counter(),
        messages=1,
        deliveries=1,
        left={left} if left else set(),
        items=done,
        seconds=1,
        ended_at=0,
    )


def run(at: float, worker: int, lease_until: float) -> list[tuple[float, int, str, dict[str, Any]]]:
    """Return the lines of a handler that starts and makes its effect."""
    start = {"key": "event-00000", "claimed": at, "lease_until": lease_until}
    return [(at, worker, "start", start), (at + 1, worker, "effect", {"key": "event-00000"})]


KILL = (3, 1, "kill", {"where": "at random"})
END: tuple[float, int, str, dict[str, Any]] = (2.5, 1, "end", {})
UNRECORDED = {"about": "event-00000/0", "text": "message ran, but that is not recorded yet"}
AT_LAST = {"about": "event-00000", "text": "completion is recorded at last"}


def test_an_effect_that_was_never_made_is_lost() -> None:
    """A message that is gone without an effect is a lost event."""
    assert judge(outcome()).lost == ["event-00000"]


def test_a_message_that_is_left_is_stuck_and_not_lost() -> None:
    """What still waits in the queue at the end of all leases is stuck."""
    report = judge(outcome(left="event-00000/1"))
    assert (report.lost, report.stuck) == ([], ["event-00000"])


def test_a_kill_right_after_the_effect_explains_a_double() -> None:
    """The worker died after its effect and before anything else: the window that we admit."""
    report = judge(outcome(*run(1, 1, 5), KILL, *run(6, 2, 9)))
    assert report.explained.total() == 1
    assert report.is_clean


def test_a_kill_after_the_record_explains_nothing() -> None:
    """The worker had gone on when it was killed, so its completion had been recorded."""
    report = judge(outcome(*run(1, 1, 5), END, KILL, *run(6, 2, 9)))
    assert len(report.unexplained) == 1


def test_no_kill_explains_a_claim_inside_the_lease() -> None:
    """A dead worker's lease holds as well: nobody can know that it is dead."""
    report = judge(outcome(*run(1, 1, 5), KILL, *run(4, 2, 9)))
    assert len(report.unexplained) == len(report.early) == 1


def test_a_logged_failure_to_record_explains_a_double() -> None:
    """The library says so itself, at the time."""
    lines = [*run(1, 1, 5), (2.2, 1, "log", UNRECORDED), END]
    assert judge(outcome(*lines, *run(6, 2, 9))).is_clean


def test_a_failure_to_record_that_was_made_good_explains_nothing() -> None:
    """Recorded late, but before the second claim: that claim had to see it."""
    lines = [*run(1, 1, 5), (2.2, 1, "log", UNRECORDED), END, (4, 1, "log", AT_LAST)]
    assert len(judge(outcome(*lines, *run(6, 2, 9))).unexplained) == 1


def test_a_lapse_is_traced_by_the_claims_not_by_the_starts() -> None:
    """A worker stopped between claim and start loses the key, starts late and is told so."""
    lost = {"about": "event-00000/0", "text": "message ran, perhaps a second time"}
    late = {"key": "event-00000", "claimed": 1, "lease_until": 3}
    lines = [*run(6, 2, 9), (8, 1, "start", late), (8.1, 1, "effect", {"key": "event-00000"})]
    report = judge(outcome(*lines, (8.2, 1, "log", lost)))
    assert report.explained == {"lease lapsed before the effect was recorded": 1}
    assert report.is_clean


def test_two_runs_in_peace_are_not_explained() -> None:
    """No kill, no failure, no lapse: a broken promise."""
    assert len(judge(outcome(*run(1, 1, 5), END, *run(6, 2, 9))).unexplained) == 1
