"""`duplicates`: is it CXone, EventBridge or SQS? Told from a log, or from records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

import click
from rich.console import Console

from cxone_idem.cause import Cause
from cxone_idem.cli.evidence import Duplicate, Evidence
from cxone_idem.cli.exit import Exit
from cxone_idem.cli.terminal import json_option, narrate, on_terminal, print_json, print_table
from cxone_idem.cli.timeline import Timeline, as_json, save_drawing
from cxone_idem.config import Config
from cxone_idem.item import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

# Enough for a ticket, and few enough to read.
_EXAMPLES_MAX = 3

_NOTHING_READ = (
    "error: in {lines} lines there is neither a log line of cxone_idem nor a record: expected JSON"
    " log lines (the function's log format must be JSON, its level INFO), or the table's items as"
    " DynamoDB JSON, one a line"
)


@click.command("duplicates")
@click.argument("source", type=click.File("r", errors="replace"), default="-")
@click.option("--plot", type=click.Path(dir_okay=False, writable=True), help="Write an SVG file.")
@json_option
@click.pass_context
def command(ctx: click.Context, source: TextIO, plot: str | None, *, as_json: bool) -> None:
    """Count duplicates by cause over time, from the log lines or records in SOURCE.

    SOURCE is a file or, without one, stdin: JSON log lines as CloudWatch has them, one or more a
    line (`aws logs filter-log-events --filter-pattern '{ $.cxone_idem.cause = * }' --query
    'events[].message' --output text`), or items of the table, one a line. Records keep only the
    delivery that had their key last; what was dropped later is in the log alone. Ends with FOUND if
    events of different content share a key.
    """
    config = Config.from_environ()
    evidence = Evidence(Layout(config.partition_key, config.ttl_attribute))
    evidence.read(source)
    if not evidence.log_lines and not evidence.records:
        narrate(_NOTHING_READ.format(lines=evidence.lines))
        ctx.exit(Exit.FAILED)
    timeline = Timeline(evidence.duplicates)
    if as_json:
        print_json(_data(evidence, timeline))
    else:
        _show(timeline)
    if plot:
        save_drawing(timeline.drawing(), plot)
    _tell(evidence, timeline)
    ctx.exit(Exit.FOUND if timeline.totals[Cause.NOT_A_DUPLICATE] else Exit.OK)


def _show(timeline: Timeline) -> None:
    columns = ["from (UTC)", *(cause.value for cause in timeline.causes), "all"]
    print_table(columns, timeline.rows())
    if on_terminal() and timeline.periods:
        Console().print(timeline.drawing())


def _tell(evidence: Evidence, timeline: Timeline) -> None:
    """Say in words what it comes to, and what to do about it."""
    total = len(evidence.duplicates)
    read = f"{evidence.log_lines} log lines and {evidence.records} records"
    narrate(f"{total} duplicates in {read}" if total else f"no duplicates in {read}")
    for cause in timeline.causes:
        count = timeline.totals[cause]
        narrate(f"{count} ({count / total:.0%}) {cause.value}: {cause.told_by}; {cause.advice}")
    if evidence.waiting:
        narrate(
            f"{evidence.waiting} more found their key in progress; they come back, and are counted"
            " then"
        )
    if evidence.records:
        narrate("records tell of the last delivery that had a key; what was dropped is in the log")


def _data(evidence: Evidence, timeline: Timeline) -> dict[str, Any]:
    causes = {
        cause.value: {
            "duplicates": timeline.totals[cause],
            "told_by": cause.told_by,
            "advice": cause.advice,
            "examples": _examples(cause, evidence.duplicates),
        }
        for cause in timeline.causes
    }
    return {
        "duplicates": len(evidence.duplicates),
        "log_lines": evidence.log_lines,
        "records": evidence.records,
        "in_progress": evidence.waiting,
        "causes": causes,
        "period_seconds": timeline.period_seconds,
        "over_time": as_json(timeline),
    }


def _examples(cause: Cause, duplicates: Sequence[Duplicate]) -> list[dict[str, Any]]:
    of_cause = [one for one in duplicates if one.cause is cause]
    return [{"key": one.key, **one.evidence} for one in of_cause[:_EXAMPLES_MAX]]
