"""`duplicates`: is it CXone, EventBridge or SQS? Counted from a log, or from records."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click
from rich.console import Console
from rich.text import Text

from cxone_idem.cause import Cause
from cxone_idem.cli.log_reader import LogReader
from cxone_idem.cli.output import (
    Exit,
    json_option,
    on_terminal,
    print_json,
    print_status,
    print_table,
)
from cxone_idem.config import Config
from cxone_idem.stores.dynamodb_item import Layout

if TYPE_CHECKING:
    from collections.abc import Iterable

# Enough for a ticket, and few enough to read.
_EXAMPLES_MAX = 3
# One screen of rows: 50 periods at most, unless even days are more.
_ROWS_MAX = 50
_PERIODS_SECONDS = (60, 600, 3600, 6 * 3600, 86_400)
_BAR_CELLS = 50
_COLOURS = {
    Cause.SQS_REDELIVERED: "cyan",
    Cause.SQS_DELIVERED_TWICE: "bright_blue",
    Cause.EVENTBRIDGE_DELIVERED_TWICE: "magenta",
    Cause.DEAD_LETTER_REDRIVE: "yellow",
    Cause.CXONE_EMITTED_AGAIN: "red",
    Cause.ARCHIVE_REPLAY: "green",
    Cause.OWN_RETRY: "bright_cyan",
    Cause.NOT_A_DUPLICATE: "bright_red",
    Cause.UNKNOWN: "bright_black",
}
_NOTHING_READ = (
    "error: in {lines} lines there is neither a log line of cxone_idem nor a record: expected JSON"
    " log lines (the function's log format must be JSON, its level INFO), or the table's items as"
    " DynamoDB JSON, one a line"
)


class Period(NamedTuple):
    """Duplicates of a span of time, counted by cause."""

    at: str
    """The start in UTC; empty for duplicates whose time is not known."""
    counts: Counter[Cause]


@click.command()
@click.argument("source", type=click.File("r", errors="replace"), default="-")
@json_option
@click.pass_context
def duplicates(ctx: click.Context, source: TextIO, *, as_json: bool) -> None:
    """Count duplicates by cause over time, from the log lines or records in SOURCE.

    SOURCE is a file or, without one, stdin: JSON log lines as CloudWatch has them, one or more a
    line (`aws logs filter-log-events --filter-pattern '{ $.cxone_idem.cause = * }' --query
    'events[].message' --output text`), or items of the table, one a line. Records keep only the
    delivery that had their key last; what was dropped later is in the log alone. Ends with FOUND if
    events of different content share a key.
    """
    config = Config.from_environ()
    log = LogReader(Layout(config.partition_key, config.ttl_attribute))
    log.read(source)
    if not log.log_lines and not log.records:
        print_status(_NOTHING_READ.format(lines=log.lines))
        ctx.exit(Exit.FAILED)
    totals = Counter(duplicate.cause for duplicate in log.duplicates)
    times = [each.at_ms // 1000 for each in log.duplicates if each.at_ms is not None]
    step = _period_seconds(times)
    periods = _periods(log, times, step)
    causes = [cause for cause, _ in totals.most_common()]
    if as_json:
        print_json(_data(log, totals, periods, step))
    else:
        print_table(
            ["from (UTC)", *(cause.value for cause in causes), "all"], _rows(periods, causes)
        )
        if on_terminal() and periods:
            Console().print(_bars(periods, causes))
    _print_advice(log, totals)
    ctx.exit(Exit.FOUND if totals[Cause.NOT_A_DUPLICATE] else Exit.OK)


def _period_seconds(times: list[int]) -> int:
    """Return the shortest period with which all times fit a screen."""
    span = max(times) - min(times) if times else 0
    fits = (step for step in _PERIODS_SECONDS if span / step < _ROWS_MAX)
    return next(fits, _PERIODS_SECONDS[-1])


def _periods(log: LogReader, times: list[int], step: int) -> list[Period]:
    """Count duplicates in periods from the first time to the last, empty ones too."""
    counts: dict[int | None, Counter[Cause]] = {}
    if times:
        first = min(times) // step * step
        counts = {start: Counter() for start in range(first, max(times) + 1, step)}
    for duplicate in log.duplicates:
        at_ms = duplicate.at_ms
        start = None if at_ms is None else at_ms // 1000 // step * step
        counts.setdefault(start, Counter())[duplicate.cause] += 1
    return [
        Period(
            ""
            if start is None
            else f"{datetime.fromtimestamp(start, timezone.utc):%Y-%m-%d %H:%M}",
            counted,
        )
        for start, counted in counts.items()
    ]


def _rows(periods: Iterable[Period], causes: list[Cause]) -> list[list[str]]:
    return [
        [at, *(str(counts[cause]) for cause in causes), str(sum(counts.values()))]
        for at, counts in periods
    ]


def _bars(periods: list[Period], causes: list[Cause]) -> Text:
    """Return the bars, one a period, under the colours of the causes."""
    most = max(sum(period.counts.values()) for period in periods)
    bars = Text()
    for cause in causes:
        bars.append("█ ", _COLOURS[cause]).append(f"{cause.value}  ")
    for period in periods:
        bars.append(f"\n{period.at:16}  ")
        total = 0
        for cause in causes:
            start = round(total * _BAR_CELLS / most)
            total += period.counts[cause]
            bars.append("█" * (round(total * _BAR_CELLS / most) - start), _COLOURS[cause])
        bars.append(f" {total}" if total else "")
    return bars


def _print_advice(log: LogReader, totals: Counter[Cause]) -> None:
    """Print each cause's share, and what to do about it."""
    count_all = len(log.duplicates)
    read = f"{log.log_lines} log lines and {log.records} records"
    print_status(f"{count_all} duplicates in {read}" if count_all else f"no duplicates in {read}")
    for cause, count in totals.most_common():
        share = f"{count} ({count / count_all:.0%}) {cause.value}"
        print_status(f"{share}: {cause.told_by}; {cause.advice}")
    if log.waiting:
        print_status(
            f"{log.waiting} more found their key in progress; they come back, and are counted then"
        )
    if log.records:
        print_status(
            "records show the last delivery that had a key; what was dropped is in the log"
        )


def _data(
    log: LogReader, totals: Counter[Cause], periods: Iterable[Period], step: int
) -> dict[str, Any]:
    return {
        "duplicates": len(log.duplicates),
        "log_lines": log.log_lines,
        "records": log.records,
        "in_progress": log.waiting,
        "causes": {
            cause.value: {
                "duplicates": count,
                "told_by": cause.told_by,
                "advice": cause.advice,
                "examples": _examples(log, cause),
            }
            for cause, count in totals.most_common()
        },
        "period_seconds": step,
        "over_time": [
            {"at": at, **{cause.value: count for cause, count in counts.items()}}
            for at, counts in periods
        ],
    }


def _examples(log: LogReader, cause: Cause) -> list[dict[str, Any]]:
    examples = [{"key": each.key, **each.fields} for each in log.duplicates if each.cause is cause]
    return examples[:_EXAMPLES_MAX]
