"""A rule: it sends what it should, and loses nothing on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable

from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Facts, advice, fact, last_name, wrong

_ALL_BUSES = 100


def read_rule(account: Account, name: str) -> Facts:
    """Read a rule and its targets, in AWS's names; before `name` there may be its bus and /."""
    bus, _, name = name.rpartition("/")
    bus = bus or "default"
    rule = account.ask("events", "describe_rule", Name=name, EventBusName=bus)
    pattern = json.loads(rule.get("EventPattern") or "{}")
    subject = f"rule {bus}/{name}"
    targets = fact(lambda: _targets(account, subject, Rule=name, EventBusName=bus))
    facts = {"subject": subject, "checks": _RULE_CHECKS, "targets": targets}
    return Facts(rule, detail_type=pattern.get("detail-type"), **facts)


def _targets(account: Account, subject: str, **of: str) -> list[Facts]:
    targets = account.ask("events", "list_targets_by_rule", **of).get("Targets", ())
    facts = {"subject": subject, "checks": _TARGET_CHECKS}
    return [
        Facts(each, **facts, dead_letters=each.get("DeadLetterConfig", {}).get("Arn"))
        for each in targets
    ]


def rules_to(account: Account, arns: Iterable[str]) -> Facts:
    """Read which rules send to one of `arns`."""
    subject = " and ".join(last_name(arn) for arn in arns)
    rules = fact(lambda: _rules_to(account, arns))
    return Facts(subject=subject, checks=_SENDING_CHECKS, rules=rules)


def _rules_to(account: Account, arns: Iterable[str]) -> list[str]:
    """Return bus and name of every such rule, on all buses: a partner has one of its own."""
    found = set()
    for bus in account.ask("events", "list_event_buses", Limit=_ALL_BUSES)["EventBuses"]:
        for arn in arns:
            to = {"TargetArn": arn, "EventBusName": bus["Name"]}
            answer = account.ask("events", "list_rule_names_by_target", **to)
            found |= {f"{bus['Name']}/{name}" for name in answer.get("RuleNames", ())}
    return sorted(found)


_SENDING_CHECKS = (
    advice(
        "rules",
        lambda to: not to.rules,
        "EventBridge rules of this account and region that send there: {rules}",
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
        lambda rule: not rule.detail_type,
        "the detail-type of its pattern is {detail_type}",
        "events that the handler does not expect reach it, fail, and fill the dead-letter queue",
        'name the types you handle: {{"detail-type": ["…"]}}',
    ),
)
_TARGET_CHECKS = (
    wrong(
        "target-dead-letter-queue",
        lambda target: not target.dead_letters,
        "target {Arn} has the dead-letter queue {dead_letters}",
        "what EventBridge cannot deliver within a day is dropped",
        "give the target a dead-letter queue (DeadLetterConfig)",
    ),
)
