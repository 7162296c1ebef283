"""The fault campaign's short form, and proof that its judge sees what it must see."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.engines import require, running
from tests.verification.campaign.faults import FAULTS
from tests.verification.campaign.field import Outcome, fight
from tests.verification.campaign.ledger import Line
from tests.verification.campaign.plan import Plan
from tests.verification.campaign.report import ILLS, Report, judge, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    Entry = tuple[float, int, str, dict[str, Any]]

ENGINE = "dynamodb-local"
SEED = 20231027
SHORT = Plan(
    "protected",
    SEED,
    240,
    2.5,
    lambdas=7,
    services=1,
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


def outcome(*lines: Entry, left: str = "") -> Outcome:
    """Return the end of a campaign of one event, with this ledger."""
    done = {"event-00000": {"state": {"S": "DONE"}}}
    return Outcome(
        plan=Plan("protected", SEED, 1, 1, lambdas=1),
        lines=[Line(at, worker, what, {"pid": worker, **f}) for at, worker, what, f in lines],
        faults=Counter(),
        messages=1,
        deliveries=1,
        left={left} if left else set(),
        items=done,
        seconds=1,
        ended_at=0,
    )


def run(at: float, worker: int, lease_until: float, **start: Any) -> list[Entry]:
    """Return the lines of a handler that starts, makes its effect and returns."""
    start = {"key": "event-00000", "claimed": at, "lease_until": lease_until, **start}
    return [
        (at, worker, "start", start),
        (at + 1, worker, "effect", {"key": "event-00000"}),
        (at + 1, worker, "left", {"key": "event-00000"}),
    ]


def under_its_handler(what: str, run: list[Entry]) -> list[Entry]:
    """Return the lines of a run with one more right after its start."""
    start, *rest = run
    return [start, (start[0] + 0.1, start[1], what, {"key": "event-00000"}), *rest]


KILL = (3, 1, "kill", {"where": "at random"})
END: Entry = (2.5, 1, "end", {})
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
    """A worker stopped between claim and start loses the key, starts late and is seen."""
    lost = {"about": "event-00000/0", "text": "message ran, perhaps a second time"}
    late = {"key": "event-00000", "claimed": 1, "lease_until": 3}
    lines = [*run(6, 2, 9), (8, 1, "start", late), (8.1, 1, "effect", {"key": "event-00000"})]
    report = judge(outcome(*lines, (8.2, 1, "log", lost)))
    assert report.explained == {"lease lapsed before the effect was recorded": 1}
    assert report.is_clean


def test_two_runs_in_peace_are_not_explained() -> None:
    """No kill, no failure, no lapse: a broken promise."""
    assert len(judge(outcome(*run(1, 1, 5), END, *run(6, 2, 9))).unexplained) == 1


GONE = "record deleted under its handler, run once more by another process"


def test_a_deleted_record_permits_one_more_run_by_another_process() -> None:
    """Nobody can know of the first one, not even inside its lease."""
    report = judge(outcome(*under_its_handler("vanish", run(1, 1, 5)), *run(1.5, 2, 9)))
    assert report.explained == {GONE: 1}
    assert report.is_clean


def test_a_record_that_was_deleted_later_explains_nothing() -> None:
    """The second run had begun while it was there."""
    lines = sorted([*under_its_handler("vanish", run(1, 1, 5)), *run(1.05, 2, 9)])
    assert len(judge(outcome(*lines)).unexplained) == 1


def test_which_of_the_two_claimed_first_says_nothing_where_a_record_was_deleted() -> None:
    """A claim that was sent earlier and carried out later found no record either."""
    late = run(1.5, 2, 9, claimed=0.5)
    report = judge(outcome(*under_its_handler("vanish", run(1, 1, 5)), *late))
    assert report.explained == {GONE: 1}


def test_a_deleted_record_permits_no_third_run() -> None:
    """The second one has a record of its own."""
    lines = [*under_its_handler("vanish", run(1, 1, 5)), *run(1.5, 2, 9), *run(4, 3, 9)]
    assert len(judge(outcome(*lines)).unexplained) == 1


def test_a_deleted_record_does_not_explain_a_second_run_by_the_same_process() -> None:
    """It knows what it did, whatever became of the record."""
    lines = [*under_its_handler("vanish", run(1, 1, 5)), END, *run(6, 1, 9)]
    assert len(judge(outcome(*lines)).unexplained) == 1


def test_a_record_that_was_not_deleted_after_all_explains_nothing() -> None:
    """It was another's by then, so the deletion was refused."""
    lines = under_its_handler("vanish", run(1, 1, 5))
    lines.insert(2, (1.2, 1, "kept", {"key": "event-00000"}))
    assert len(judge(outcome(*lines, *run(6, 2, 9))).unexplained) == 1


def test_a_fork_is_another_process_of_the_same_worker() -> None:
    """Two children with one number work at once, and each has runs of its own."""
    other: list[Entry] = [
        (at, worker, what, {**f, "pid": 2}) for at, worker, what, f in run(1.5, 1, 9)
    ]
    report = judge(outcome(*sorted([*run(1, 1, 5), *other], key=lambda line: line[0])))
    assert len(report.unexplained) == len(report.early) == 1


def test_a_run_that_begins_after_its_lease_is_late() -> None:
    """Whether or not anybody else took the key meanwhile."""
    report = judge(outcome(*run(8, 1, 5, claimed=1, start_until=7)))
    assert len(report.late) == 1
    assert not report.is_clean


def test_a_worker_that_was_stopped_right_before_the_start_is_not_late() -> None:
    """It had checked before, and nothing can be checked while it is stopped."""
    lines = [(1, 1, "begin", {}), (1.1, 1, "freeze", {"pid": 0}), (7.6, 1, "thaw", {"pid": 0})]
    assert judge(outcome(*lines, *run(7.7, 1, 3, claimed=1, start_until=6))).is_clean


def test_a_stop_before_the_line_before_excuses_no_late_start() -> None:
    """There was time to look again."""
    log: Entry = (7.6, 1, "log", UNRECORDED)
    lines: list[Entry] = [(1, 1, "begin", {}), (1.1, 1, "freeze", {"pid": 0}), log]
    assert judge(outcome(*lines, *run(7.7, 1, 3, claimed=1, start_until=6))).late


AT_THE_DEADLINE = (3, 1, "kill", {"where": "at the deadline"})


def test_a_kill_at_the_deadline_with_no_handler_at_work_is_an_overrun() -> None:
    """The library had the time, and did not answer in it."""
    report = judge(outcome(*run(1, 1, 5), AT_THE_DEADLINE))
    assert len(report.overruns) == 1
    assert not report.is_clean


def test_a_handler_that_does_not_return_is_killed_at_the_deadline_rightly() -> None:
    """That is nobody's fault but its own."""
    *hanging, _ = run(1, 1, 5)
    assert judge(outcome(*hanging, AT_THE_DEADLINE)).is_clean


def test_an_error_out_of_a_batch_breaks_a_promise() -> None:
    """Whatever the store answers, every message of a batch has a status."""
    error = (2.5, 1, "end", {"error": "KeyError: 'Responses'"})
    assert judge(outcome(*run(1, 1, 5), error)).raised == ["KeyError: 'Responses'"]


@pytest.mark.parametrize(("by", "held"), [(100, ["event-00000"]), (-100, [])])
def test_a_clock_that_was_set_forward_holds_a_key_and_breaks_no_promise(
    by: float, held: list[str]
) -> None:
    """The worker died in that moment; a clock that was set back holds nothing."""
    step = (1, 1, "step", {"by": by})
    end = outcome(step, KILL, left="event-00000/0")
    end.items["event-00000"] = {"state": {"S": "IN_PROGRESS"}, "lease_until_ms": {"N": "100000"}}
    report = judge(end)
    assert report.held == held
    assert report.is_clean == bool(held)


@pytest.mark.parametrize(("started_at", "held"), [(70, True), (95, False)])
def test_what_is_left_of_a_long_lease_is_short_in_the_end(started_at: float, *, held: bool) -> None:
    """It was stamped by a clock that was set, if nobody has begun its work since."""
    step = (1, 1, "step", {"by": 100})
    start = run(started_at, 1, started_at + 6)[0]
    end = replace(outcome(step, start, left="event-00000/0"), ended_at=100)
    end.items["event-00000"] = {"state": {"S": "IN_PROGRESS"}, "lease_until_ms": {"N": "105000"}}
    assert bool(judge(end).held) is held
    end.items["event-00000"]["lease_until_ms"] = {"N": "99000"}
    assert judge(end).stuck == ["event-00000"]
