"""`doctor`: faults of a deployed pipeline, why they matter, and the fix."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

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
from cxone_idem.doctor.check import Status
from cxone_idem.doctor.examination import Examination
from cxone_idem.text import legible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.doctor.check import Finding

_COLUMNS = ("status", "check", "subject", "what", "why", "fix")
_COLOURS = {Status.WRONG: "red", Status.ADVICE: "yellow", Status.UNKNOWN: "magenta"}


@click.command("doctor")
@click.option("--function", "functions", multiple=True, help="A function, by name or ARN.")
@click.option("--queue", "queues", multiple=True, help="A queue, by name, URL or ARN.")
@click.option("--table", "tables", multiple=True, help="A table, by name; its key is as set here.")
@click.option("--rule", "rules", multiple=True, help="A rule, by name, or by its bus and /name.")
@json_option
def examine(*, as_json: bool, **starts: Sequence[str]) -> Exit:
    """Read a deployed pipeline; report what is wrong, why it matters, and the fix.

    From a function it finds the table, the queues, the rules and the role; from a queue or a rule
    the functions behind it. Read permissions are enough; a check that could not be made is listed
    as unknown. Prints what is not as it should be; with --json all that was looked at. Ends with
    FOUND if anything is wrong, else with UNSURE if a check could not be made.
    """
    if not any(starts.values()):
        message = "say where to start: --function, --queue, --table or --rule"
        raise click.UsageError(message)
    examination = Examination(Account())
    _examine_all(examination, **starts)
    findings = examination.findings
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print([finding for finding in findings if finding.status is not Status.OK])
    count = Counter(finding.status for finding in findings)
    counts = ", ".join(f"{count[status]} {status.value}" for status in Status)
    print_status(f"{len(findings)} checks: {counts}")
    if any(examination.missing.intersection(names) for names in starts.values()):
        return Exit.NOT_FOUND
    if count[Status.WRONG]:
        return Exit.FOUND
    return Exit.UNSURE if count[Status.UNKNOWN] else Exit.OK


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
        examination.rule(name, here)
    for name in tables:
        examination.table(replace(here, table=name))


def _print(findings: Sequence[Finding]) -> None:
    """Print a paragraph for each finding on a terminal, else a line."""
    if not on_terminal():
        rows = [[getattr(each, column) for column in _COLUMNS] for each in findings]
        if rows:
            print_table(_COLUMNS, rows)
        return
    width = shutil.get_terminal_size().columns
    for each in findings:
        status = click.style(f"{each.status.value:8}", _COLOURS[each.status], bold=True)
        click.echo(status + click.style(f"{each.check}, {each.subject}", bold=True))
        for name, text in (("", each.what), ("why", each.why), ("fix", each.fix)):
            if text:
                click.echo(click.wrap_text(legible(text), width, f"{name:8}", " " * 8))
        click.echo()
