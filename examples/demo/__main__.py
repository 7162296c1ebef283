"""Runs the demo: `python -m examples.demo`. Ends with 1 if it did not show what it should."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.demo import engine, race, report, takeover
from examples.local_stack import ministack

INTRODUCTION = f"""\
{race.EVENTS} conversation.start events, each sent to SQS {race.COPIES} x, to two consumers on DynamoDB (both local, \
real HTTP):
[bold]{race.NAIVE}[/]       if exists(key): return; process_event(event); insert(key)
[bold]{race.IDEMPOTENT}[/]  process_batch(event, process_event)
"""


def main() -> int:
    """Run both scenes and report."""
    console = Console(highlight=False)
    console.print(INTRODUCTION)
    started = time.monotonic()
    with TemporaryDirectory() as folder, ministack() as endpoint:
        columns = (
            TextColumn("{task.description:22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with (
            closing(engine.sqs(endpoint)) as sqs,
            closing(engine.dynamodb(endpoint)) as dynamodb,
            Progress(*columns, console=console, transient=True) as progress,
        ):
            stage = (endpoint, sqs, dynamodb, Path(folder), progress)
            tallies = race.run(*stage)
            story = takeover.run(*stage)
    console.print(report.table(tallies))
    console.print(report.story(story), soft_wrap=True)
    console.print(f"All of this took {time.monotonic() - started:.0f} s.")
    mistakes = report.mistakes(tallies, story)
    for mistake in mistakes:
        print(f"not as it should be: {mistake}", file=sys.stderr)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
