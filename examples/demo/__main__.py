"""Runs the demo: `python -m examples.demo`. Ends with 1 if it did not show what it should."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.demo import engine, race, report, takeover
from examples.demo.stage import Stage
from examples.local_stack import MINISTACK, ministack

if TYPE_CHECKING:
    from examples.demo.takeover import Takeover
    from examples.demo.tally import Tally

INTRODUCTION = f"""\
{race.EVENTS} conversation.start events, each sent to SQS twice, to two consumers on DynamoDB
with {race.WORKERS} worker processes each (all of it on this machine, over HTTP):

  [bold]{race.NAIVE:12}[/]if exists(key): return; process_event(event); insert(key)
  [bold]{race.IDEMPOTENT:12}[/]process_batch(event, process_event)

Meanwhile a worker with {race.IDEMPOTENT} on a third queue is killed in mid-event.
"""


def main() -> int:
    """Play both scenes and report."""
    if not MINISTACK.exists():
        print(
            "ministack is not installed: `make demo` installs it, and starts this", file=sys.stderr
        )
        return 2
    console = Console(highlight=False)
    console.print(INTRODUCTION)
    started = time.monotonic()
    tallies, outcome = _play(console)
    console.print(report.table(tallies))
    console.print(report.story(outcome))
    console.print(f"\nAll of this took {time.monotonic() - started:.0f} s.")
    mistakes = report.mistakes(tallies, outcome)
    for mistake in mistakes:
        print(f"not as it should be: {mistake}", file=sys.stderr)
    return 1 if mistakes else 0


def _play(console: Console) -> tuple[dict[str, Tally], Takeover]:
    with (
        TemporaryDirectory() as folder,
        ministack() as endpoint,
        closing(engine.sqs(endpoint)) as sqs,
        closing(engine.dynamodb(endpoint)) as dynamodb,
        _progress(console) as bar,
    ):
        stage = Stage(endpoint, sqs, dynamodb, Path(folder), bar)
        # The lease of the killed worker runs while the consumers race.
        with takeover.killed_worker(stage) as aftermath:
            return race.run(stage), aftermath.wait()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("  {task.description:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("messages deleted"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Drawing takes time from the workers.
        refresh_per_second=4,
        # A pipe gets no bar: it could not take back what was drawn.
        disable=not console.is_terminal,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
