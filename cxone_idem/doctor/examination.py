"""Walks a pipeline from where it is asked to start, and examines each part once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxone_idem.doctor.account import Account, fact
from cxone_idem.doctor.check import Facts, Finding, Status, UnreadError, examine, last_name
from cxone_idem.doctor.function import (
    CONFIG_CHECKS,
    ENVIRONMENT_CHECKS,
    MISTAKE_CHECKS,
    read_function,
)
from cxone_idem.doctor.mapping import DELIVERY_CHECKS, MAPPING_CHECKS, delivery, read_mappings
from cxone_idem.doctor.queue import QUEUE_CHECKS, read_queue
from cxone_idem.doctor.role import check_role
from cxone_idem.doctor.rule import NO_RULE_CHECKS, RULE_CHECKS, TARGET_CHECKS, read_rule, rules_to
from cxone_idem.doctor.table import TABLE_CHECKS, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.config import Config


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
        function = self._part("function", name, read_function)
        if not function or not self._is_new(function.FunctionArn):
            return
        subject = function.subject
        self._settings(function)
        config = self._read("table", subject, lambda: function.config)
        if config:
            self.table(config)
        of = {"FunctionName": function.FunctionArn}
        mappings = self._read("mappings", subject, lambda: read_mappings(self._account, **of)) or []
        for mapping in mappings:
            self._mapping(mapping, function)
        queue_arns = [mapping.EventSourceArn for mapping in mappings]
        self._rules([*queue_arns, function.FunctionArn])
        self.findings += check_role(self._account, function, queue_arns)

    def queue(self, name: str, config: Config) -> None:
        """Examine a queue, the functions behind it, and the rules that send to it.

        `config` is what its consumer works with, if that is no Lambda function.
        """
        queue = self._part("queue", name, read_queue, config)
        if not queue:
            return
        of = {"EventSourceArn": queue.arn}
        mappings = self._read("mappings", queue.subject, lambda: read_mappings(self._account, **of))
        for mapping in mappings or ():
            self.function(mapping.FunctionArn)
        if not mappings and self._is_new(queue.arn):
            self.findings += examine(queue, QUEUE_CHECKS)
            self._rules([queue.arn])

    def rule(self, name: str, config: Config) -> None:
        """Examine a rule, and the queues and functions that it sends to."""
        for target in self._rule(name):
            if ":sqs:" in target.Arn:
                self.queue(target.Arn, config)
            elif ":lambda:" in target.Arn:
                self.function(target.Arn)

    def table(self, config: Config) -> None:
        """Examine the table that settings name."""
        if not self._is_new(f"table {config.table}"):
            return
        table = self._part("table", config.table, lambda *_: read_table(self._account, config))
        if table:
            self.findings += examine(table, TABLE_CHECKS)

    def _settings(self, function: Facts) -> None:
        mistakes = self._read("settings", function.subject, lambda: function.mistakes)
        if mistakes is None:
            return
        for mistake in mistakes or ["none"]:
            facts = Facts(subject=function.subject, mistake=mistake)
            self.findings += examine(facts, MISTAKE_CHECKS)
        self.findings += examine(function, ENVIRONMENT_CHECKS)
        if not mistakes:
            self.findings += examine(function, CONFIG_CHECKS)

    def _mapping(self, mapping: Facts, function: Facts) -> None:
        self.findings += examine(mapping, MAPPING_CHECKS)
        config = fact(lambda: function.config)
        queue = self._part("queue", mapping.EventSourceArn, read_queue, config)
        if not queue:
            return
        self.findings += examine(delivery(mapping, queue, function), DELIVERY_CHECKS)
        if self._is_new(queue.arn):
            self.findings += examine(queue, QUEUE_CHECKS)

    def _rules(self, arns: Sequence[str]) -> None:
        subject = " and ".join(last_name(arn) for arn in arns)
        names = self._read("rules", subject, lambda: rules_to(self._account, arns))
        for name in names or ():
            self._rule(name)
        if names == []:
            self.findings += examine(Facts(subject=subject), NO_RULE_CHECKS)

    def _rule(self, name: str) -> Sequence[Facts]:
        """Examine a rule, unless it was; return its targets."""
        rule = self._part("rule", name, read_rule)
        if not rule:
            return ()
        if self._is_new(rule.subject):
            self.findings += examine(rule, RULE_CHECKS)
            check = TARGET_CHECKS[0].name
            for target in self._read(check, rule.subject, lambda: rule.targets) or ():
                self.findings += examine(target, TARGET_CHECKS)
        targets: Sequence[Facts] | UnreadError = fact(lambda: rule.targets)
        return () if isinstance(targets, UnreadError) else targets

    def _part(self, kind: str, name: str, read: Callable[..., Facts], *how: Any) -> Facts:
        """Return the facts of a part; none, with a finding that says why, if it cannot be read."""
        try:
            return read(self._account, name, *how)
        except UnreadError as unread:
            finding = unread.finding(kind, f"{kind} {last_name(name)}")
            if unread.absent:
                self.missing.add(name)
                finding = replace(
                    finding,
                    status=Status.WRONG,
                    why="what is not there cannot process an event",
                    fix="create it, or check the name, the account and the region",
                )
            self.findings.append(finding)
            return Facts()

    def _read(self, check: str, subject: str, read: Callable[[], Any]) -> Any:
        """Return what is read; None, with a finding that says why, if it cannot be."""
        try:
            return read()
        except UnreadError as unread:
            self.findings.append(unread.finding(check, subject))
            return None

    def _is_new(self, thing: str) -> bool:
        new = thing not in self._seen
        self._seen.add(thing)
        return new
