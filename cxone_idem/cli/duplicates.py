"""`duplicates`: is it CXone, EventBridge or SQS? Counted from a log, or from records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, TextIO

import click
from rich.console import Console
from rich.text import Text

from cxone_idem.cause import Cause
from cxone_idem.cli.log_reader import Duplicate, LogReader
from cxone_idem.cli.output import (
    Exit,
    json_option,
    on_terminal,
    print_result,
    print_status,
    progress,
    writes_unicode,
)
from cxone_idem.config import Config
from cxone_idem.stores.dynamodb_item import Layout
from cxone_idem.text import counted

# One screen of rows: 50 periods at most, unless even days are more.
_ROWS_MAX = 50
_PERIODS_SECONDS = (60, 600, 3600, 6 * 3600, 86_400)
_EMPTY_MAX = 366
_BAR_CELLS = 50
# One for each cause, from the most frequent on.
_COLOURS = ("cyan", "red", "yellow", "green", "blue", "magenta", "white", "orange1", "grey50")


@click.command()
@click.argument("source", type=click.File("r", errors="replace"), default="-")
@json_option
def duplicates(source: TextIO, *, as_json: bool) -> Exit:
    """Count duplicates by cause over time, from logs or records.

    SOURCE is a file, or else stdin: JSON log lines as CloudWatch or the AWS CLI exports them (aws
    logs filter-log-events --filter-pattern '{ $.cxone_idem.cause = * }'), or items of the table as
    DynamoDB JSON. Records keep only the last delivery that had their key. Exit code 5 (FOUND) if
    events of different content share a key.
    """
    config = Config.from_environ()
    log = LogReader(Layout(config.partition_key, config.ttl_attribute))
    log.read(progress(source, "lines"))
    if log.lines and not log.log_lines and not log.records:
        print_status(
            f"error: in {counted(log.lines, 'line')} there is neither a log line of cxone_idem nor"
            f" a record: expected JSON log lines, or the table's items as DynamoDB JSON{_why(log)}"
        )
        return Exit.FAILED
    totals = Counter(duplicate.cause for duplicate in log.duplicates)
    step, periods = _periods(log.duplicates)
    causes = [cause for cause, _ in totals.most_common()]
    columns = ("from (UTC)", *(cause.value for cause in causes), "all")
    rows = [
        (at, *(str(counts[cause]) for cause in causes), str(sum(counts.values())))
        for at, counts in periods.items()
    ]
    # A column for each cause is too wide for a terminal: there it is a bar.
    if as_json or not on_terminal():
        print_result(_data(log, totals, periods, step), columns, rows, as_json=as_json)
    elif periods:
        Console().print(_bars(periods, totals))
    _print_advice(log, totals)
    return Exit.FOUND if log.mismatches else Exit.OK


def _why(log: LogReader) -> str:
    if log.skipped:
        return f" ({counted(log.skipped, 'line')} not as this library writes them)"
    format_ = "; if these are a function's lines, its log format must be JSON, its level INFO"
    return "" if log.objects else format_


def _periods(duplicates: Sequence[Duplicate]) -> tuple[int, dict[str, Counter[Cause]]]:
    """Count in the shortest periods that fit a screen, empty ones of a year too; and their seconds.

    A period's name is its start in UTC, empty for duplicates whose time is not known.
    """
    times = [each.at_ms // 1000 for each in duplicates if each.at_ms is not None]
    first, last = min(times, default=0), max(times, default=-1)
    fits = (step for step in _PERIODS_SECONDS if (last - first) / step < _ROWS_MAX)
    step = next(fits, _PERIODS_SECONDS[-1])
    starts = {at // step * step for at in times}
    if (last - first) / step < _EMPTY_MAX:
        starts |= {*range(first // step * step, last + 1, step)}
    periods: dict[str, Counter[Cause]] = {_start(at, step): Counter() for at in sorted(starts)}
    for each in duplicates:
        at = "" if each.at_ms is None else _start(each.at_ms // 1000, step)
        periods.setdefault(at, Counter())[each.cause] += 1
    return step, periods


def _start(at: int, step: int) -> str:
    return f"{datetime.fromtimestamp(at // step * step, timezone.utc):%Y-%m-%d %H:%M}"


def _bars(periods: dict[str, Counter[Cause]], totals: Counter[Cause]) -> Text:
    """Return the bars, one a period, under the colours of the causes."""
    most = max(sum(counts.values()) for counts in periods.values())
    bars, bar = Text(), "█" if writes_unicode() else "#"
    coloured = dict(zip((cause for cause, _ in totals.most_common()), _COLOURS, strict=False))
    for cause, colour in coloured.items():
        bars.append(f"{bar} ", colour).append(f"{cause.value:28} {totals[cause]:>6}\n")
    for at, counts in periods.items():
        bars.append(f"\n{at:16}  ")
        total = 0
        for cause, colour in coloured.items():
            start = round(total * _BAR_CELLS / most)
            total += counts[cause]
            bars.append(bar * (round(total * _BAR_CELLS / most) - start), colour)
        bars.append(f" {total}" if total else "")
    return bars


def _print_advice(log: LogReader, totals: Counter[Cause]) -> None:
    """Print each cause's share, and what to do about it."""
    count_all = len(log.duplicates)
    read = f"{counted(log.log_lines, 'log line')} and {counted(log.records, 'record')}"
    print_status(f"{counted(count_all, 'duplicate') if count_all else 'no duplicates'} in {read}")
    for cause, count in totals.most_common():
        share = f"{count} ({count / count_all:.0%}) {cause.value}"
        print_status(f"{share}: {cause.evidence}; {cause.advice}")
    if log.mismatches:
        no, found = Cause.NOT_A_DUPLICATE, counted(len(log.mismatches), "message")
        print_status(f"{found} {no.value}: {no.evidence}; {no.advice}")
    if log.skipped:
        print_status(f"{counted(log.skipped, 'line')} skipped: not as this library writes them")
    if log.waiting:
        found = f"{counted(log.waiting, 'delivery', 'deliveries')} more found the key in progress"
        print_status(f"{found}: what comes back is counted then")
    if log.records:
        print_status(
            "records show the last delivery that had a key; what was dropped is in the log"
        )


def _data(
    log: LogReader, totals: Counter[Cause], periods: dict[str, Counter[Cause]], step: int
) -> dict[str, Any]:
    of = {cause: [each for each in log.duplicates if each.cause is cause] for cause in totals}
    return {
        "duplicates": len(log.duplicates),
        "log_lines": log.log_lines,
        "records": log.records,
        "in_progress": log.waiting,
        "skipped": log.skipped,
        "causes": {
            cause.value: {"duplicates": count, **_evidence(cause, of[cause])}
            for cause, count in totals.most_common()
        },
        "not_a_duplicate": {
            "messages": len(log.mismatches),
            **_evidence(Cause.NOT_A_DUPLICATE, [*log.mismatches.values()]),
        },
        "period_seconds": step,
        "over_time": [
            {"at": at, **{cause.value: count for cause, count in counts.items()}}
            for at, counts in periods.items()
        ],
    }


def _evidence(cause: Cause, found: Sequence[Duplicate]) -> dict[str, Any]:
    # Three are enough for a ticket, and few enough to read.
    examples = [{"key": each.key, **each.fields} for each in found[:3]]
    return {"evidence": cause.evidence, "advice": cause.advice, "examples": examples}
