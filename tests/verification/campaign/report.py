"""What a campaign proved: figures, and the violations among them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.verification.campaign import trace
from tests.verification.campaign.delivery import key_of
from tests.verification.campaign.faults import FAULTS
from tests.verification.campaign.runs import History

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.verification.campaign.field import Outcome
    from tests.verification.campaign.ledger import Line
    from tests.verification.campaign.runs import Run
    from tests.verification.campaign.trace import Double

ILLS = {
    "vanish": "record deleted under its handler",
    "step": "clock set in mid-batch",
    "fork": "forked with its connection open",
}
"""What befalls workers besides kills and stops, by its line in the ledger."""

# No lease that was stamped by a right clock lasts longer: 3 s of an invocation and 4 s of margins,
# or 5 s more by a clock too fast to be noticed.
_LONGEST_LEASE_SECONDS = 12.0


@dataclass
class Report:
    """The figures of one campaign."""

    outcome: Outcome
    processed: int = 0
    lost: list[str] = field(default_factory=list)
    """Keys without an effect whose messages are all gone."""
    stuck: list[str] = field(default_factory=list)
    """Keys that still have messages after the waiting bound, or a record that is not done."""
    held: list[str] = field(default_factory=list)
    """Keys that a dead worker holds for as long as its clock was fast, once that had been set."""
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[Double] = field(default_factory=list)
    early: list[tuple[Run, Run]] = field(default_factory=list)
    late: list[Run] = field(default_factory=list)
    """Runs that were begun after the end of their lease, or of their invocation."""
    overruns: list[Line] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    """What came out of `process_batch`."""
    unrecorded: int = 0
    """Records not done because the store failed every attempt, which the library logged, or gone
    because they were deleted."""
    kills: Counter[str] = field(default_factory=Counter)
    ills: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    workers: int = 0
    reruns: int = 0

    @property
    def doubled(self) -> int:
        """Effects beyond the first of each key."""
        return self.explained.total() + len(self.unexplained)

    @property
    def is_clean(self) -> bool:
        """Tell whether every promise was kept."""
        doubled = self.unexplained or self.early or self.late
        return not (
            self.lost or self.stuck or doubled or self.overruns or self.raised or self.crashes
        )


def judge(outcome: Outcome) -> Report:
    """Let the ledger decide."""
    report = Report(outcome)
    history = History(outcome.lines)
    found = history.runs
    keys = {f"event-{number:05d}" for number in range(outcome.plan.events)}
    made = {run.key for run in found if run.effect_at is not None}
    left = {key_of(message_id) for message_id in outcome.left}
    report.processed = len(made)
    report.lost = sorted(keys - made - left)
    excused = {
        run.key
        for run in found
        if run.vanished_at or (run.unrecorded_at and not run.recorded_late_at)
    }
    not_done = {key for key in keys - left if not _is_done(outcome, key)} - set(report.lost)
    report.unrecorded = len(not_done & excused)
    report.held = sorted(key for key in left if _is_held_long(outcome, key, found))
    report.stuck = sorted((left | (not_done - excused)) - set(report.held))
    for double in trace.doubles(found):
        if double.cause:
            report.explained[double.cause] += 1
        else:
            report.unexplained.append(double)
    report.early = trace.taken_early(found)
    report.late = [run for run in found if run.late]
    report.overruns = history.overruns
    _count(report, found)
    return report


def _is_done(outcome: Outcome, key: str) -> bool:
    """Tell whether a key's record is done. Only this library's records say so themselves."""
    if outcome.plan.consumer != "protected":
        return True
    state: dict[str, str] = outcome.items.get(key, {}).get("state", {})
    return state.get("S") == "DONE"


def _is_held_long(outcome: Outcome, key: str, found: list[Run]) -> bool:
    """Tell whether a key's lease lasts longer than any that a right clock could have stamped."""
    began_at = max((run.started_at for run in found if run.key == key), default=0.0)
    # Without a run of late, one that still lasts at the end of the patience is as long already.
    is_recent = began_at > outcome.ended_at - _LONGEST_LEASE_SECONDS
    item = outcome.items.get(key, {})
    at_work = item.get("state") == {"S": "IN_PROGRESS"}
    set_forward = any(line.what == "step" and line.fields["by"] > 0 for line in outcome.lines)
    latest = outcome.ended_at + (_LONGEST_LEASE_SECONDS if is_recent else 0)
    return at_work and set_forward and int(item["lease_until_ms"]["N"]) / 1000 > latest


def _count(report: Report, found: list[Run]) -> None:
    for line in report.outcome.lines:
        if line.what in ILLS:
            report.ills[ILLS[line.what]] += 1
        if line.what == "end" and line.fields.get("error"):
            report.raised.append(line.fields["error"])
        if line.what in {"kill", "freeze"}:
            report.kills[line.fields.get("where", "stopped for longer than its lease")] += 1
        report.crashes += line.what == "crash"
        report.workers += line.what == "worker"
    report.reruns = len(found) - len({run.key for run in found})


def text(report: Report) -> str:
    """Return the report of one campaign for people."""
    outcome, plan = report.outcome, report.outcome.plan
    head = (
        f"seed {plan.seed}: {plan.events:,} events, {outcome.messages:,} copies,"
        f" {outcome.deliveries:,} deliveries, {report.workers} worker processes,"
        f" {outcome.seconds:.0f} s"
    )
    parts = [
        head,
        _table("workers killed or stopped", report.kills),
        _table("what else befell workers", report.ills),
        _table(
            f"faults in {outcome.faults['requests']:,} requests",
            {kind: outcome.faults[kind] for kind in FAULTS},
        ),
        f"handler runs beyond the first of a key: {report.reruns:,}",
        _table("doubled, explained", report.explained),
        f"  left unrecorded at the end, as logged, or deleted: {report.unrecorded}",
        f"processed                          {report.processed:6,} of {plan.events:,}",
        f"lost                               {len(report.lost):6,}",
        f"doubled, unexplained               {len(report.unexplained):6,}",
        f"claimed before the lease was over  {len(report.early):6,}",
        f"begun after the lease was over     {len(report.late):6,}",
        f"answered after the deadline        {len(report.overruns):6,}",
        f"batches that raised                {len(report.raised):6,}",
        f"held by a clock that was set       {len(report.held):6,}  (no broken promise)",
        f"stuck                              {len(report.stuck):6,}",
        f"workers crashed                    {report.crashes:6,}",
    ]
    return "\n".join([*parts, *_evidence(report)])


def comparison(reports: dict[str, Report]) -> str:
    """Return the figures of several consumers side by side."""
    head = ("consumer", "processed", "lost", "doubled", "explained", "unexplained", "stuck")
    lines = ["".join(_cells(head[0], head[1:], head))]
    for name, report in reports.items():
        figures = (
            report.processed,
            len(report.lost),
            report.doubled,
            report.explained.total(),
            len(report.unexplained),
            len(report.stuck),
        )
        lines.append("".join(_cells(name, figures, head)))
    return "\n".join(lines)


def _cells(name: str, figures: Iterable[object], head: Sequence[str]) -> Iterator[str]:
    yield f"{name:<32}"
    for title, figure in zip(head[1:], figures, strict=True):
        yield f"{figure:>{len(title) + 2}}"


def _table(title: str, counts: Mapping[str, int]) -> str:
    lines = [f"{title}: {sum(counts.values()):,}"]
    return "\n".join([*lines, *(f"  {count:6,}  {name}" for name, count in counts.items())])


def _evidence(report: Report) -> list[str]:
    """Show the first few violations as the ledger has them."""
    lines = [f"LOST {key}" for key in report.lost[:5]]
    ended, items = report.outcome.ended_at, report.outcome.items
    lines += [f"STUCK {key}, at {ended:.1f}: {items.get(key)}" for key in report.stuck[:5]]
    lines += [
        f"UNEXPLAINED {double.first} then {double.second}" for double in report.unexplained[:5]
    ]
    lines += [f"EARLY {first} then {second}" for first, second in report.early[:5]]
    lines += [f"LATE {run}" for run in report.late[:5]]
    lines += [f"OVERRUN {line}" for line in report.overruns[:5]]
    lines += [f"RAISED {error}" for error in report.raised[:5]]
    return lines
