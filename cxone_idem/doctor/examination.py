"""Walks a pipeline from where it is asked to start, and examines each part once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Facts, Finding, Status, UnreadError, examine, fact, last_name
from cxone_idem.doctor.function import read_function
from cxone_idem.doctor.key import is_own, read_key
from cxone_idem.doctor.queue import delivery, maximum_concurrency, read_mappings, read_queue
from cxone_idem.doctor.role import KEY_ACTIONS, TABLE_KEY_ACTIONS, check_role
from cxone_idem.doctor.rule import doubles, read_rule, rules_to
from cxone_idem.doctor.table import read_table


class Examination:
    """Examines a pipeline's parts; collects the findings of one run in the order of the walk."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.findings: list[Finding] = []
        self.missing: set[str] = set()
        """The things that do not exist, by the name they were looked for."""

    def function(self, name: str) -> None:
        """Examine a function, its role and table, and all that sends to it."""
        function = self._part("function", name, read_function)
        if not function:
            return
        for mistake in self._read("settings", function, "mistakes"):
            self._add(examine(mistake))
        self._add(examine(function))
        config = self._read("table", function, "config")
        table = self.table(config) if config else Facts()
        keys = [
            (function.KMSKeyArn, KEY_ACTIONS),
            ((table.SSEDescription or {}).get("KMSMasterKeyArn"), TABLE_KEY_ACTIONS),
        ]
        mappings = self._mappings(function, FunctionName=function.FunctionArn)
        function["maximum"] = sum(map(maximum_concurrency, mappings))
        queues = [self._mapping(mapping, function) for mapping in mappings]
        keys += [(queue.KmsMasterKeyId, KEY_ACTIONS) for queue in queues]
        queue_arns = [mapping.EventSourceArn for mapping in mappings]
        mapped = function.get("mappings")
        mapped = mapped if isinstance(mapped, UnreadError) else len(mappings)
        self._rules([*queue_arns, function.FunctionArn], mapped)
        own = [(self._key(name), actions) for name, actions in keys if is_own(name)]
        self._add(check_role(self._account, function, queue_arns, [one for one in own if one[0]]))

    def queue(self, name: str, config: Config) -> None:
        """Examine a queue, the functions behind it, and the rules that send to it.

        `config` is what its consumer works with, if that is no Lambda function.
        """
        queue = self._part("queue", name, read_queue, config)
        if not queue:
            return
        mappings = self._mappings(queue, EventSourceArn=queue.QueueArn)
        for mapping in mappings:
            self.function(mapping.FunctionArn)
        if not mappings:
            self._add(examine(queue))
            self._rules([queue.QueueArn])

    def rule(self, name: str, config: Config) -> None:
        """Examine a rule, and the queues and functions that it sends to."""
        for target in self._rule(name).targets or []:
            if ":sqs:" in target.Arn:
                self.queue(target.Arn, config)
            elif ":lambda:" in target.Arn:
                self.function(target.Arn)

    def table(self, config: Config) -> Facts:
        """Examine the table that settings name; return its facts."""
        table = self._part("table", config.table, read_table, config)
        if table:
            self._add(examine(table))
        return table

    def _mappings(self, of: Facts, **which: str) -> Any:
        of["mappings"] = fact(lambda: read_mappings(self._account, **which))
        return self._read("mappings", of, "mappings")

    def _mapping(self, mapping: Facts, function: Facts) -> Facts:
        """Examine a mapping and its queue; return the queue's facts."""
        self._add(examine(mapping))
        queue = self._part("queue", mapping.EventSourceArn, read_queue, function.get("config"))
        if queue:
            self._add(examine(delivery(mapping, queue, function)))
            self._add(examine(queue))
        return queue

    def _key(self, name: str) -> str:
        """Examine a key; return its ARN if the account's own, and its role has to be let in."""
        key = self._part("key", name, read_key)
        if not key:
            return ""
        self._add(examine(key))
        return str(key.Arn) if key.KeyManager == "CUSTOMER" else ""

    def _rules(self, arns: Sequence[str], mapped: object = 1) -> None:
        sending = rules_to(self._account, arns, mapped)
        self._add(examine(sending))
        rules = [self._rule(name) for name in self._read("rules", sending, "rules")]
        self._add(examine(doubles(rules, arns)))

    def _rule(self, name: str) -> Facts:
        """Examine a rule; return its facts, with the targets that could be read."""
        rule = self._part("rule", name, read_rule)
        if rule:
            self._add(examine(rule))
            rule["targets"] = self._read("target-dead-letter-queue", rule, "targets")
            for target in rule.targets:
                self._add(examine(target))
        return rule

    def _part(self, kind: str, name: str, read: Callable[..., Facts], *how: Any) -> Facts:
        """Return the facts of a part; none, with a finding that says why, if it cannot be read."""
        try:
            return read(self._account, name, *how)
        except UnreadError as unread:
            finding = unread.finding(kind, f"{kind} {last_name(name)}")
            if unread.absent:
                self.missing.add(name)
                why = "what is not there cannot process an event"
                by = " (cxone-idem create-table)" if kind == "table" else ""
                fix = f"create it{by}, or check the name, the account and the region"
                finding = replace(finding, status=Status.WRONG, why=why, fix=fix)
            self._add([finding])
            return Facts()

    def _read(self, check: str, part: Facts, name: str) -> Any:
        """Return a fact; an empty one, with a finding that says why, if it could not be read."""
        try:
            return part[name]
        except UnreadError as unread:
            self._add([unread.finding(check, part.subject)])
            return []

    def _add(self, findings: Iterable[Finding]) -> None:
        """Add findings; what is reached a second time by another way is there already."""
        self.findings += [finding for finding in findings if finding not in self.findings]
