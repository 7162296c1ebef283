"""A rule: it sends what it should, and loses nothing on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Facts, advice, fact, last_name, wrong
from cxone_idem.doctor.pattern import lets_in, overlap
from cxone_idem.doctor.queue import ALARM_CHECK, alarms_on, queue_attributes

_ALL_BUSES = 100


def read_rule(account: Account, name: str) -> Facts:
    """Read a rule and its targets, in AWS's names; before `name` there may be its bus and /."""
    bus, _, name = name.rpartition("/")
    bus = bus or "default"
    rule = account.ask("events", "describe_rule", Name=name, EventBusName=bus)
    pattern = json.loads(rule.get("EventPattern") or "{}")
    subject = f"rule {bus}/{name}"
    targets = fact(lambda: _targets(account, subject, rule, Rule=name, EventBusName=bus))
    facts = {"subject": subject, "checks": _RULE_CHECKS, "targets": targets, "pattern": pattern}
    return Facts(rule, detail_type=pattern.get("detail-type"), bus=bus, **facts)


def _targets(account: Account, subject: str, rule: dict[str, Any], **of: str) -> list[Facts]:
    targets = account.ask("events", "list_targets_by_rule", **of).get("Targets", ())
    return [_target(account, subject, rule.get("Arn", ""), each) for each in targets]


def _target(account: Account, subject: str, rule_arn: str, target: dict[str, Any]) -> Facts:
    letters = target.get("DeadLetterConfig", {}).get("Arn")
    # By a role of its own it sends as that role, and needs no policy of the queue.
    sent_to = "" if "RoleArn" in target else target["Arn"]
    queues = [arn for arn in (sent_to, letters or "") if ":sqs:" in arn]

    def closed() -> str:
        policies = {arn: queue_attributes(account, arn).get("Policy") for arn in queues}
        shut = (arn for arn, policy in policies.items() if not lets_in(policy, arn, rule_arn))
        return ", ".join(map(last_name, shut)) or "none"

    taken = [name for name in ("Input", "InputTransformer") if target.get(name)]
    path = target.get("InputPath", "$")
    return Facts(
        target,
        subject=subject,
        checks=_TARGET_CHECKS,
        dead_letters=letters,
        alarms=fact(lambda: alarms_on(account, letters)),
        closed=fact(closed),
        taken=", ".join(taken + [f"InputPath {path}"] * (path != "$")) or "none",
    )


def rules_to(account: Account, arns: Iterable[str], mapped: object = 1) -> Facts:
    """Read which rules send to one of `arns`; `mapped` is how many mappings do, or why unread."""
    subject = " and ".join(last_name(arn) for arn in arns)
    rules = fact(lambda: _rules_to(account, arns))
    return Facts(subject=subject, checks=_SENDING_CHECKS, rules=rules, mapped=mapped)


def _rules_to(account: Account, arns: Iterable[str]) -> list[str]:
    """Return bus and name of every such rule, on all buses: a partner has one of its own."""
    found = set()
    for bus in account.ask("events", "list_event_buses", Limit=_ALL_BUSES)["EventBuses"]:
        for arn in arns:
            to = {"TargetArn": arn, "EventBusName": bus["Name"]}
            answer = account.ask("events", "list_rule_names_by_target", **to)
            found |= {f"{bus['Name']}/{name}" for name in answer.get("RuleNames", ())}
    return sorted(found)


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
        "create an event source mapping from its queue",
    ),
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
    wrong(
        "queue-policy",
        lambda target: target.closed != "none",
        "queues of target {Arn} whose policy does not let EventBridge in: {closed}",
        "EventBridge cannot send there: no event ever arrives, or the undelivered are lost",
        "allow sqs:SendMessage to events.amazonaws.com, with aws:SourceArn the rule's ARN",
    ),
    wrong(
        "target-input",
        lambda target: target.taken != "none",
        "changes that target {Arn} makes to the event: {taken}",
        "the envelope is gone, and with it the key or the cause of duplicates",
        "have the target send the matched event as it is",
    ),
    ALARM_CHECK,
)
