"""The runs of the handler, as the ledger has them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.verification.campaign.delivery import key_of
from tests.verification.campaign.plan import FREEZE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.verification.campaign.ledger import Line


@dataclass
class Run:
    """One run of the handler on a key."""

    key: str
    worker: int
    pid: int
    started_at: float
    claimed_at: float
    lease_until: float | None
    """Until when nobody else may start; None if the consumer promises nothing."""
    late: bool = False
    """It was begun when its lease, or its invocation, was over."""
    effect_at: float | None = None
    raised: bool = False
    left: bool = False
    """The handler returned or raised."""
    killed: str = ""
    settled_at: float | None = None
    """When the completion was answered, or, for a consumer that cannot tell, when the worker went
    on to something else: it had been tried by then."""
    tells_recorded: bool = False
    vanished_at: float | None = None
    """When its record was deleted under it."""
    unrecorded_at: float | None = None
    recorded_late_at: float | None = None
    lost_at: float | None = None


@dataclass
class _Process:
    current: Run | None = None
    by_key: dict[str, Run] = field(default_factory=dict)
    wrote_at: float = 0.0
    """When it wrote its last line."""


class History:
    """What the ledger says of every process: `runs`, and invocations that the library overran."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.runs: list[Run] = []
        self.overruns: list[Line] = []
        """Kills at the deadline with no handler at work: the answer had been due before."""
        self._workers: dict[int, dict[int, _Process]] = defaultdict(lambda: defaultdict(_Process))
        self._frozen_at: dict[int, float] = {}
        for line in lines:
            if line.what == "kill":
                self._kill(line)
            elif line.what == "freeze":
                self._frozen_at[line.worker] = line.at
            elif line.what not in {"worker", "thaw", "crash"}:
                process = self._workers[line.worker][line.fields["pid"]]
                self._take(process, line)
                process.wrote_at = line.at

    def _take(self, process: _Process, line: Line) -> None:
        run = process.current
        if line.what == "start":
            _settle(run, line)
            self._start(process, line)
        elif line.what in {"log", "failed"}:
            about = process.by_key.get(key_of(line.fields["about"]))
            if about is None or about is not run:
                _settle(run, line)
            if about:
                _note(about, line)
        elif line.what in {"begin", "end"}:
            _settle(run, line)
        elif line.what == "recorded":
            process.by_key[line.fields["key"]].settled_at = line.at
        elif run:
            _suffer(run, line)

    def _start(self, process: _Process, line: Line) -> None:
        fields = line.fields
        run = Run(
            fields["key"],
            line.worker,
            fields["pid"],
            line.at,
            fields["claimed"],
            fields["lease_until"],
            tells_recorded=fields.get("tells_recorded", False),
        )
        start_until = fields.get("start_until")
        if start_until is not None and line.at > start_until:
            run.late = not self._was_stopped(process, line)
        process.current = process.by_key[run.key] = run
        self.runs.append(run)

    def _was_stopped(self, process: _Process, line: Line) -> bool:
        """Tell whether the worker was stopped right before it started: nobody can check that.

        A line that it wrote when it went on is later than the stop by all of its length.
        """
        frozen_at = self._frozen_at.get(line.worker, -math.inf)
        return frozen_at > process.wrote_at - FREEZE_SECONDS[0]

    def _kill(self, line: Line) -> None:
        """Mark what dies with the worker: completions may be on their way beside the newest run."""
        processes = self._workers[line.worker].values()
        at_work = [one.current for one in processes if one.current and not one.current.left]
        if line.fields["where"] == "at the deadline" and not at_work:
            self.overruns.append(line)
        for run in (run for process in processes for run in process.by_key.values()):
            if run.settled_at is None and not run.raised:
                run.killed = line.fields["where"]


def _settle(run: Run | None, line: Line) -> None:
    if run and run.settled_at is None and not run.tells_recorded:
        run.settled_at = line.at


def _note(run: Run, line: Line) -> None:
    """Take in what was logged about a run's own completion."""
    text = line.fields["text"]
    if run.effect_at is None:
        return
    if line.what == "failed" or "is not recorded yet" in text:
        run.unrecorded_at = line.at
    elif "is recorded at last" in text:
        run.recorded_late_at = line.at
    elif "perhaps a second time" in text or "came too late" in text:
        run.lost_at = line.at


def _suffer(run: Run, line: Line) -> None:
    if line.what == "effect":
        run.effect_at = line.at
    elif line.what == "raise":
        run.raised = True
    elif line.what == "left":
        run.left = True
    elif line.what == "vanish":
        run.vanished_at = line.at
    elif line.what == "kept":
        run.vanished_at = None
