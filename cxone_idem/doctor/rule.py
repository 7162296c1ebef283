"""A rule: it sends what it should, and loses nothing on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Facts, UnreadError, advice, fact, last_name, wrong
from cxone_idem.doctor.pattern import names_types, overlap
from cxone_idem.doctor.target import read_target


def read_rule(account: Account, name: str) -> Facts:
    """Read a rule and its targets, in AWS's names, by its ARN, or its name behind its bus and /."""
    if name.startswith("arn:"):
        _, found, name = name.partition(":rule/")
        if not found:
            reason = "it is no ARN of a rule"
            raise UnreadError(reason, "check the name")
    bus, _, name = name.rpartition("/")
    bus = bus or "default"
    rule = account.ask("events", "describe_rule", Name=name, EventBusName=bus)
    pattern = json.loads(rule.get("EventPattern") or "{}")
    subject = f"rule {bus}/{name}"
    targets = fact(lambda: _targets(account, subject, rule, Rule=name, EventBusName=bus))
    facts = {"subject": subject, "checks": _RULE_CHECKS, "targets": targets, "pattern": pattern}
    picked = json.dumps(pattern.get("detail-type"))
    scheduled = "ScheduleExpression" in rule and not pattern
    typed = scheduled or names_types(pattern)
    return Facts(rule, detail_type=picked, typed=typed, bus=bus, **facts)


def _targets(account: Account, subject: str, rule: dict[str, Any], **of: str) -> list[Facts]:
    targets = account.ask("events", "list_targets_by_rule", **of).get("Targets", ())
    return [read_target(account, subject, rule.get("Arn", ""), each) for each in targets]


def rules_to(account: Account, arns: Iterable[str], mapped: object = 1) -> Facts:
    """Read which rules send to one of `arns`; `mapped` is how many mappings do, or why unread."""
    subject = " and ".join(last_name(arn) for arn in arns)
    rules = fact(lambda: _rules_to(account, arns))
    named = rules if isinstance(rules, UnreadError) else ", ".join(rules) or "none"
    facts = {"rules": rules, "named": named, "mapped": mapped}
    return Facts(facts, subject=subject, checks=_SENDING_CHECKS)


def _rules_to(account: Account, arns: Iterable[str]) -> list[str]:
    """Return bus and name of every such rule, on all buses: a partner has one of its own."""
    found = set()
    for bus in _buses(account):
        for arn in arns:
            to = {"TargetArn": arn, "EventBusName": bus}
            answer = account.ask("events", "list_rule_names_by_target", **to)
            found |= {f"{bus}/{name}" for name in answer.get("RuleNames", ())}
    return sorted(found)


def _buses(account: Account) -> Iterator[str]:
    """Yield the name of every bus; the SDK has no pages for this request."""
    more: dict[str, Any] = {"Limit": 100}
    while more:
        answer = account.ask("events", "list_event_buses", **more)
        yield from (bus["Name"] for bus in answer["EventBuses"])
        token = answer.get("NextToken")
        more = {"Limit": 100, "NextToken": token} if token else {}


def doubles(rules: Sequence[Facts], arns: Sequence[str]) -> Facts:
    """Return which two ways an event may take to one of `arns`, or to the function behind them."""
    ways = [
        (rule, f"{last_name(rule.subject)} -> {last_name(target.Arn)}")
        for rule in rules
        for target in rule.targets or ()
        if target.Arn in arns and rule.pattern and rule.State != "DISABLED"
    ]
    pairs = [
        f"{way} and {other}"
        for (one, way), (two, other) in combinations(ways, 2)
        if one.bus == two.bus and overlap(one.pattern, two.pattern)
    ]
    subject = " and ".join(map(last_name, arns))
    return Facts(checks=_DOUBLE_CHECKS, subject=subject, pairs="; ".join(pairs) or "none")


_DOUBLE_CHECKS = (
    advice(
        "overlap",
        lambda doubles: doubles.pairs != "none",
        "rules and targets that one event may take both of: {pairs}",
        "each such event comes twice: it is done once, and costs and counts as a duplicate",
        "narrow one pattern, or remove one rule or target",
    ),
)
_SENDING_CHECKS = (
    wrong(
        "event-source",
        lambda to: not to.mapped and not to.rules,
        "mappings from a queue: {mapped}",
        "no event reaches the function",
        "create an event source mapping from its queue; if an alias has one, name NAME:ALIAS",
    ),
    advice(
        "rules",
        lambda to: not to.rules,
        "EventBridge rules of this account and region that send there: {named}",
        "if events should come by a rule, none do",
        "create the rule, or leave it if they come another way",
    ),
)
_RULE_CHECKS = (
    wrong(
        "rule-state",
        lambda rule: rule.State == "DISABLED",
        "{State}",
        "no event is delivered, and none is kept",
        "enable the rule",
    ),
    wrong(
        "detail-type",
        lambda rule: not rule.typed,
        "the detail-type of its pattern is {detail_type}",
        "events that the handler does not expect reach it, fail, and fill the dead-letter queue",
        'name the types you handle: {{"detail-type": ["…"]}}',
    ),
)
