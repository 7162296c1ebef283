"""The reference: each list from the one place in the code that has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import NamedTuple

from click.testing import CliRunner
from sphinx.pycode import ModuleAnalyzer

from cxone_idem.cause import Cause
from cxone_idem.cli.app import COMMANDS, cli
from cxone_idem.cli.output import Exit
from cxone_idem.config import Config
from cxone_idem.protocol.transition import Counts
from cxone_idem.record import Origin, Record, State
from cxone_idem.setting import variable
from cxone_idem.sqs import logs, metrics
from cxone_idem.sqs.message import Message
from cxone_idem.sqs.outcome import ACKNOWLEDGED, MessageStatus, Outcome
from tests.documents.site.tables import code, table

_RUN = "cxone-idem"

# The fields of a line that come from no class of which each field has a docstring.
_FIELDS = {
    "status": "[status](statuses.md) of the message",
    "cause": "[cause](causes.md) of the duplicate, if it is one",
    "key": "the key, without its namespace",
    "first_done_at_ms": "when the work was done, epoch milliseconds",
    "generation": "the number of the claim on its key",
    "error": "the class of the error, if there is one",
}


class _Page(NamedTuple):
    title: str
    text: str
    columns: tuple[str, ...]
    rows: Callable[[], list[tuple[str, ...]]]

    def written(self) -> str:
        """Return the page in Markdown."""
        return f"# {self.title}\n\n{self.text}\n\n{table(self.columns, self.rows())}"


def settings() -> list[tuple[str, ...]]:
    """Return each variable with its default, its limits and its meaning."""
    return [
        (
            code(variable(one.name)),
            code(one.default),
            one.metadata["check"]("").removeprefix("is not ")
            if type(one.default) in {int, float}
            else "",
            one.metadata["meaning"],
        )
        for one in fields(Config)
    ]


def statuses() -> list[tuple[str, ...]]:
    """Return each status, what becomes of its message, and the metrics that count it."""
    return [
        (
            code(status.value),
            "deleted" if status in ACKNOWLEDGED else "comes back",
            ", ".join(code(name) for name in _metrics_of(status)),
        )
        for status in MessageStatus
    ]


def causes() -> list[tuple[str, ...]]:
    """Return each cause with its evidence and the advice."""
    return [(code(cause.value), cause.evidence, cause.advice) for cause in Cause]


def exit_codes() -> list[tuple[str, ...]]:
    """Return each exit code with its name and meaning."""
    return [(code(one.value), code(one.name), one.meaning) for one in Exit]


def metric_rows() -> list[tuple[str, ...]]:
    """Return each metric with its unit and what it counts."""
    counted = {
        name: ", ".join(
            code(status.value) for status in MessageStatus if name in _metrics_of(status)
        )
        for name in metrics.UNITS
    }
    meanings = {
        "messages": "all messages of the batch",
        **{name: f"messages with status {which}" for name, which in counted.items() if which},
        **{
            name: f"dropped messages with cause {code(cause.value)}"
            for cause, name in metrics.DUPLICATES.items()
        },
        **_attribute_docs(Counts),
    }
    return [(code(name), unit, meanings[name]) for name, unit in metrics.UNITS.items()]


def log_fields() -> list[tuple[str, ...]]:
    """Return each field of a line about a message, and its meaning."""
    of_origin = _attribute_docs(Origin)
    meanings = {
        **_FIELDS,
        **of_origin,
        **{f"first_{name}": f"`{name}` of the first delivery" for name in of_origin},
    }
    return [
        (code(name), meanings[name]) for name in logs.fields(_outcome(MessageStatus.SAME_BATCH))
    ]


def _attribute_docs(owner: type) -> dict[str, str]:
    """Return the docstring of each attribute of a class."""
    docs = ModuleAnalyzer.for_module(owner.__module__).find_attr_docs()
    return {
        name: " ".join(lines).strip() for (of, name), lines in docs.items() if of == owner.__name__
    }


def _metrics_of(status: MessageStatus) -> list[str]:
    measured = metrics.values([_outcome(status)], Counts())
    causes = set(metrics.DUPLICATES.values())
    return [name for name, n in measured.items() if n and name not in {"messages", *causes}]


def _outcome(status: MessageStatus) -> Outcome:
    """Return an outcome of which everything is known."""
    origin = Origin("e", "m", 1, 1, "r", "q")
    record = Record("k", State.DONE, "v", 1, 1, 1, 1, 1, origin)
    message = Message("m", "", None, {}, "", "", {})
    return Outcome(message, status, "k", origin, record, origin, error=ValueError())


def _commands() -> str:
    """Return each command's own help; settings and exit codes have pages of their own."""
    parts = ["# Command line\n\nEach command ends with one of the [exit codes](exit_codes.md).\n"]
    for name in COMMANDS:
        said = CliRunner().invoke(cli, [name, "--help"], prog_name=_RUN, terminal_width=76)
        usage = said.output.partition("Environment:")[0].strip()
        parts.append(f"## {_RUN} {name}\n\n```text\n{usage}\n```\n")
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "settings": _Page(
        "Settings",
        "Environment variables. An empty one counts as unset.",
        ("variable", "default", "limits", "meaning"),
        settings,
    ).written,
    "statuses": _Page(
        "Statuses",
        "The end of each message of a batch: the log field `status`, and `Outcome.status`. The"
        " guide says [why each happens]"
        "(../examples/sqs_lambda/index.md#what-happens-to-each-message).",
        ("status", "message", "metrics"),
        statuses,
    ).written,
    "causes": _Page(
        "Causes",
        "Why a duplicate came: the log field `cause`, `Outcome.cause`, `cxone-idem duplicates`.",
        ("cause", "evidence", "what to do"),
        causes,
    ).written,
    "log_fields": _Page(
        "Log fields",
        f"The fields of a line about one message, in one object named `{logs.FIELD}`. What is not"
        " known is left out. No field holds payload.",
        ("field", "meaning"),
        log_fields,
    ).written,
    "metrics": _Page(
        "Metrics",
        "The metrics of a batch, written where `CXONE_IDEM_METRICS` is set. What did not happen is"
        " left out, but for `messages`.",
        ("metric", "unit", "what it counts"),
        metric_rows,
    ).written,
    "exit_codes": _Page(
        "Exit codes",
        "How every command of `cxone-idem` ends.",
        ("code", "name", "meaning"),
        exit_codes,
    ).written,
    "command_line": _commands,
}
"""The pages of the reference: the name of each, and what writes it."""
