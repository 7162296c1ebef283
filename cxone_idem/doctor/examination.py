"""Walks a pipeline from where it is asked to start, and examines each part once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.doctor.event_source import check_event_source, check_visibility
from cxone_idem.doctor.facts import Check, EventSource, Finding, Function, Unread, last_name
from cxone_idem.doctor.function import check_function, settings_of
from cxone_idem.doctor.queue import check_queue
from cxone_idem.doctor.reading import (
    read_event_sources,
    read_function,
    read_queue,
    read_rule,
    read_table,
    rules_to,
)
from cxone_idem.doctor.role import check_role
from cxone_idem.doctor.rule import check_rule
from cxone_idem.doctor.table import check_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxone_idem.config import Config
    from cxone_idem.doctor.account import Account


class Examination:
    """Examines a pipeline's parts; collects the findings of one run in the order of the walk."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._seen: set[str] = set()
        self.findings: list[Finding] = []
        self.missing: set[str] = set()
        """What does not exist, by the name it was looked for."""

    def function(self, name: str) -> None:
        """Examine a function, its role and table, and all that sends to it."""
        function = read_function(self._account, name)
        if isinstance(function, Unread):
            self._unread("function", name, function)
        elif self._is_new(function.arn):
            self._whole_function(function)

    def queue(self, name: str, config: Config) -> None:
        """Examine a queue, the functions behind it, and the rules that send to it.

        `config` is what its consumer works with, if that is no Lambda function.
        """
        queue = read_queue(self._account, name)
        if isinstance(queue, Unread):
            self._unread("queue", name, queue)
            return
        sources = read_event_sources(self._account, EventSourceArn=queue.arn)
        if isinstance(sources, Unread):
            self._unread("mappings", queue.arn, sources)
            sources = ()
        for source in sources:
            self.function(source.function_arn)
        if not sources and self._is_new(queue.arn):
            self.findings += check_queue(queue, config.retention_seconds)
            self._rules([queue.arn])

    def rule(self, name: str, bus: str, config: Config) -> None:
        """Examine a rule, and the queues and functions that it sends to."""
        rule = read_rule(self._account, name, bus)
        if isinstance(rule, Unread):
            self._unread("rule", name, rule)
            return
        if self._is_new(f"{bus}/{name}"):
            self.findings += check_rule(rule)
        for target in () if isinstance(rule.targets, Unread) else rule.targets:
            if ":sqs:" in target.arn:
                self.queue(target.arn, config)
            elif ":lambda:" in target.arn:
                self.function(target.arn)

    def table(self, config: Config) -> None:
        """Examine the table that settings name."""
        if not self._is_new(f"table {config.table}"):
            return
        table = read_table(self._account, config)
        if isinstance(table, Unread) and table.absent:
            self.missing.add(config.table)
        self.findings += check_table(table, config)

    def _whole_function(self, function: Function) -> None:
        self.findings += check_function(function)
        config = settings_of(function)
        if isinstance(config, Unread):
            self.findings.append(Check("table", f"function {function.name}").unknown(config))
        else:
            self.table(config)
        sources = read_event_sources(self._account, FunctionName=function.arn)
        if isinstance(sources, Unread):
            self._unread("mappings", function.name, sources)
            sources = ()
        for source in sources:
            self._source(source, function, config)
        queue_arns = [source.queue_arn for source in sources]
        self._rules([*queue_arns, function.arn])
        self._role(function, config, queue_arns)

    def _source(self, source: EventSource, function: Function, config: Config | Unread) -> None:
        self.findings += check_event_source(source)
        queue = read_queue(self._account, source.queue_arn)
        if isinstance(queue, Unread):
            self._unread("queue", source.queue_arn, queue)
            return
        self.findings += check_visibility(source, queue, function)
        if self._is_new(queue.arn):
            kept = config if isinstance(config, Unread) else config.retention_seconds
            self.findings += check_queue(queue, kept)

    def _rules(self, arns: Sequence[str]) -> None:
        check = Check("rules", " and ".join(last_name(arn) for arn in arns))
        found = rules_to(self._account, arns)
        if isinstance(found, Unread):
            self.findings.append(check.unknown(found))
            return
        if not found:
            self.findings.append(
                check.advice(
                    "no EventBridge rule of this account and region sends there",
                    "if events should come by a rule, none do",
                    "create the rule, or leave it if they come another way",
                )
            )
        for name, bus in found:
            if not self._is_new(f"{bus}/{name}"):
                continue
            rule = read_rule(self._account, name, bus)
            if isinstance(rule, Unread):
                self._unread("rule", name, rule)
            else:
                self.findings += check_rule(rule)

    def _role(self, function: Function, config: Config | Unread, queue_arns: Sequence[str]) -> None:
        self.findings += check_role(
            self._account,
            function.role_arn,
            config if isinstance(config, Unread) else _table_arn(function, config),
            queue_arns,
            aligns_visibility=not isinstance(config, Unread) and config.align_visibility,
        )

    def _is_new(self, thing: str) -> bool:
        if thing in self._seen:
            return False
        self._seen.add(thing)
        return True

    def _unread(self, kind: str, name: str, unread: Unread) -> None:
        check = Check(kind, f"{kind} {last_name(name)}")
        if not unread.absent:
            self.findings.append(check.unknown(unread))
            return
        self.missing.add(name)
        self.findings.append(
            check.wrong(
                unread.why,
                "what is not there cannot process an event",
                "create it, or check the name, the account and the region",
            )
        )


def _table_arn(function: Function, config: Config) -> str:
    """Return the ARN of a function's table, which is in the function's account and region."""
    if config.table.startswith("arn:"):
        return config.table
    partition, _, region, account = function.arn.split(":")[1:5]
    return f"arn:{partition}:dynamodb:{region}:{account}:table/{config.table}"
