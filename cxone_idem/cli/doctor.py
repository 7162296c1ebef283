"""`doctor`: faults of a deployed pipeline, why they matter, and the fix."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cxone_idem.cli.output import (
    Exit,
    json_option,
    on_terminal,
    print_json,
    print_status,
    print_table,
)
from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.examination import Examination
from cxone_idem.doctor.facts import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.doctor.facts import Finding

_DEFAULT_BUS = "default"
_COLUMNS = ("status", "check", "subject", "what", "why", "fix")
_STYLES = {Status.WRONG: "bold red", Status.ADVICE: "yellow", Status.UNKNOWN: "magenta"}


@click.command("doctor")
@click.option("--function", "functions", multiple=True, help="A function, by name or ARN.")
@click.option("--queue", "queues", multiple=True, help="A queue, by name, URL or ARN.")
@click.option("--table", "tables", multiple=True, help="A table, by name; its key is as set here.")
@click.option("--rule", "rules", multiple=True, help="A rule, by name, or by its bus and /name.")
@json_option
@click.pass_context
def examine(  # noqa: PLR0913 -- one for each option
    ctx: click.Context,
    *,
    functions: Sequence[str],
    queues: Sequence[str],
    tables: Sequence[str],
    rules: Sequence[str],
    as_json: bool,
) -> None:
    """Read a deployed pipeline; report what is wrong, why it matters, and the fix.

    From a function it finds the table, the queues, the rules and the role; from a queue or a rule
    the functions behind it. Read permissions are enough; a check that could not be made is listed
    as unknown. Prints what is not as it should be; with --json all that was looked at. Ends with
    FOUND if anything is wrong, else with UNSURE if a check could not be made.
    """
    if not (functions or queues or tables or rules):
        message = "say where to start: --function, --queue, --table or --rule"
        raise click.UsageError(message)
    examination = Examination(Account())
    _examine_all(examination, functions, queues, tables, rules)
    findings = examination.findings
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print([finding for finding in findings if finding.status is not Status.OK])
    count = Counter(finding.status for finding in findings)
    counts = ", ".join(f"{count[status]} {status.value}" for status in Status)
    print_status(f"{len(findings)} checks: {counts}")
    if examination.missing & {*functions, *queues, *tables, *rules}:
        ctx.exit(Exit.NOT_FOUND)
    if count[Status.WRONG]:
        ctx.exit(Exit.FOUND)
    ctx.exit(Exit.UNSURE if count[Status.UNKNOWN] else Exit.OK)


def _examine_all(
    examination: Examination,
    functions: Sequence[str],
    queues: Sequence[str],
    tables: Sequence[str],
    rules: Sequence[str],
) -> None:
    for name in functions:
        examination.function(name)
    # Of what no function reads, the settings are those of this environment.
    here = Config.from_environ() if queues or tables or rules else Config()
    for name in queues:
        examination.queue(name, here)
    for name in rules:
        bus, _, rule = name.rpartition("/")
        examination.rule(rule, bus or _DEFAULT_BUS, here)
    for name in tables:
        examination.table(replace(here, table=name))


def _print(findings: Sequence[Finding]) -> None:
    """Print a paragraph for each finding on a terminal, else a line."""
    if not on_terminal():
        rows = [[getattr(each, column) for column in _COLUMNS] for each in findings]
        if rows:
            print_table(_COLUMNS, rows)
        return
    paragraphs = Table.grid(padding=(0, 2))
    for each in findings:
        style = _STYLES[each.status]
        paragraphs.add_row(Text(each.status, style), Text(f"{each.check}, {each.subject}", "bold"))
        for name, text in (("", each.what), ("why", each.why), ("fix", each.fix)):
            if text:
                paragraphs.add_row(Text(name, "dim"), Text(text))
        paragraphs.add_row()
    Console().print(paragraphs)
