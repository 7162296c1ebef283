"""Checks a rule: it sends what it should, and loses nothing on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.doctor.facts import Check, Finding, Rule, Unread, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_rule(rule: Rule) -> Iterator[Finding]:
    """Report what a rule lets through, and what happens to events it cannot deliver."""
    subject = f"rule {rule.bus}/{rule.name}"
    check = Check("rule-state", subject)
    if rule.enabled:
        yield check.ok("enabled")
    else:
        yield check.wrong("disabled", "no event is delivered, and none is kept", "enable the rule")
    yield _detail_type(rule, Check("detail-type", subject))
    yield from _targets(rule, Check("target-dead-letter-queue", subject))


def _detail_type(rule: Rule, check: Check) -> Finding:
    wanted = (rule.pattern or {}).get("detail-type")
    if wanted:
        return check.ok(", ".join(str(each) for each in wanted))
    return check.wrong(
        "its pattern has no detail-type",
        "events that the handler does not expect reach it, fail, and fill the dead-letter queue",
        'name the types you handle: {"detail-type": ["…"]}',
    )


def _targets(rule: Rule, check: Check) -> Iterator[Finding]:
    if isinstance(rule.targets, Unread):
        yield check.unknown(rule.targets)
        return
    for target in rule.targets:
        name = last_name(target.arn)
        if target.dead_letter_arn:
            yield check.ok(f"{name}: {last_name(target.dead_letter_arn)}")
        else:
            yield check.wrong(
                f"target {name} has none",
                "what EventBridge cannot deliver within a day is dropped",
                "give the target a dead-letter queue (DeadLetterConfig)",
            )
