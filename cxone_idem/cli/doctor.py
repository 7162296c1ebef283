"""`doctor`: faults of a deployed pipeline, why they matter, and the fix."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

import click

from cxone_idem.cli.options import NAME, in_region
from cxone_idem.cli.output import (
    Exit,
    json_option,
    on_terminal,
    print_result,
    print_status,
    progress,
)
from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Finding, Status
from cxone_idem.doctor.examination import Examination
from cxone_idem.text import counted, legible

_COLUMNS = ("status", "check", "subject", "what", "why", "fix")
_COLOURS = {Status.WRONG: "red", Status.ADVICE: "yellow", Status.UNKNOWN: "magenta"}


@click.command("doctor")
@click.option(
    "--function", "functions", type=NAME, multiple=True, help="A function, by name or ARN."
)
@click.option("--queue", "queues", type=NAME, multiple=True, help="A queue, by name, URL or ARN.")
@click.option(
    "--table", "tables", type=NAME, multiple=True, help="A table, by name; its key is as set here."
)
@click.option(
    "--rule", "rules", type=NAME, multiple=True, help="A rule, by name, or by its bus and /name."
)
@json_option
@in_region
def examine(
    *,
    functions: Sequence[str],
    queues: Sequence[str],
    tables: Sequence[str],
    rules: Sequence[str],
    as_json: bool,
) -> Exit:
    """Report what is wrong with a deployed pipeline, and the fix.

    From a function it finds table, queues, rules and role; from a queue or a rule the functions
    behind it. It only reads. Prints what is not as it should be; with --json all that it looked
    at. Exit code 5 (FOUND) if anything is wrong, else 6 (UNSURE) if a check could not be made.
    """
    if not (functions or queues or tables or rules):
        message = "say where to start: --function, --queue, --table or --rule"
        raise click.UsageError(message)
    examination = Examination(Account())
    for name in progress(functions, "functions"):
        examination.function(name)
    # Of what no function reads, the settings are those of this environment.
    here = Config.from_environ() if queues or tables or rules else Config()
    for name in queues:
        examination.queue(name, here)
    for name in rules:
        examination.rule(name, here)
    for name in tables:
        examination.table(replace(here, table=name))
    code = _report(examination.findings, as_json=as_json)
    missing = examination.missing & {*functions, *queues, *tables, *rules}
    return Exit.NOT_FOUND if missing else code


def _report(findings: Sequence[Finding], *, as_json: bool) -> Exit:
    """Print findings; of those that are right nothing but their number, except as JSON."""
    faults = [finding for finding in findings if finding.status is not Status.OK]
    if as_json or (faults and not on_terminal()):
        data = [asdict(finding) for finding in findings]
        rows = [[getattr(fault, column) for column in _COLUMNS] for fault in faults]
        print_result(data, _COLUMNS, rows, as_json=as_json)
    else:
        for fault in faults:
            _print_paragraph(fault)
    count = Counter(finding.status for finding in findings)
    counts = ", ".join(f"{count[status]} {status.value}" for status in Status)
    print_status(f"{counted(len(findings), 'check')}: {counts}")
    if count[Status.WRONG]:
        return Exit.FOUND
    return Exit.UNSURE if count[Status.UNKNOWN] else Exit.OK


def _print_paragraph(fault: Finding) -> None:
    status = click.style(f"{fault.status.value:8}", _COLOURS[fault.status], bold=True)
    click.echo(status + click.style(f"{fault.check}, {fault.subject}", bold=True))
    width = shutil.get_terminal_size().columns
    for name, text in (("", fault.what), ("why", fault.why), ("fix", fault.fix)):
        if text:
            click.echo(click.wrap_text(legible(text), width, f"{name:8}", " " * 8))
    click.echo()
