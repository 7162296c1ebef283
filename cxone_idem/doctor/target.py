"""A target of a rule: what is sent gets there whole, and what does not is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cxone_idem.doctor.account import Account
from cxone_idem.doctor.alarm import LETTERS_ALARM_CHECK, alarms_on_letters
from cxone_idem.doctor.check import Facts, UnreadError, fact, last_name, wrong
from cxone_idem.doctor.key import lets_eventbridge_use
from cxone_idem.doctor.policy import Entry, lets_in
from cxone_idem.doctor.queue import queue_attributes

_SEND = "sqs:SendMessage"


def read_target(account: Account, subject: str, rule_arn: str, target: dict[str, Any]) -> Facts:
    """Take a target of a rule, in AWS's names; read the queues that it sends to."""
    letters = target.get("DeadLetterConfig", {}).get("Arn")
    # By a role of its own it sends as that role, and needs no policy of the queue.
    sent_to = "" if "RoleArn" in target else target["Arn"]
    queues = [arn for arn in (sent_to, letters or "") if ":sqs:" in arn]

    def opened(arn: str) -> bool | None:
        policy = queue_attributes(account, arn).get("Policy")
        return lets_in(policy, Entry(_SEND, arn, rule_arn))

    def unlocked(arn: str) -> bool | None:
        key = queue_attributes(account, arn).get("KmsMasterKeyId")
        return not key or lets_eventbridge_use(account, key, rule_arn)

    taken = [name for name in ("Input", "InputTransformer") if target.get(name)]
    path = target.get("InputPath", "$")
    return Facts(
        target,
        subject=subject,
        checks=_TARGET_CHECKS,
        dead_letters=letters,
        alarms=fact(lambda: alarms_on_letters(account, letters)),
        closed=fact(lambda: _shut(queues, opened)),
        locked=fact(lambda: _shut(queues, unlocked)),
        taken=", ".join(taken + [f"InputPath {path}"] * (path != "$")) or "none",
    )


def _shut(queues: list[str], lets: Callable[[str], bool | None]) -> str:
    """Return the names of the queues that do not let EventBridge in."""
    found = {last_name(arn): lets(arn) for arn in queues}
    shut = ", ".join(name for name, open_to in found.items() if open_to is False)
    uncertain = ", ".join(name for name, open_to in found.items() if open_to is None)
    if uncertain and not shut:
        reason = f"whether EventBridge may send to {uncertain} depends on a condition of a policy"
        raise UnreadError(reason, "see that the condition holds for the rule")
    return shut or "none"


_SHUT_OUT = "EventBridge cannot send there: no event ever arrives, or the undelivered are lost"
_TARGET_CHECKS = (
    wrong(
        "target-dead-letter-queue",
        lambda target: target.dead_letters in {None, target.Arn},
        "target {Arn} has the dead-letter queue {dead_letters}",
        "what EventBridge cannot deliver is dropped: within a day, or at once without permission",
        "give the target a dead-letter queue of its own (DeadLetterConfig)",
    ),
    wrong(
        "queue-policy",
        lambda target: target.closed != "none",
        "queues of target {Arn} whose policy does not let EventBridge in: {closed}",
        _SHUT_OUT,
        "allow sqs:SendMessage to events.amazonaws.com, with aws:SourceArn the rule's ARN",
    ),
    wrong(
        "queue-key",
        lambda target: target.locked != "none",
        "queues of target {Arn} whose KMS key does not let EventBridge in: {locked}",
        _SHUT_OUT,
        "use a key of your own, whose policy allows events.amazonaws.com kms:GenerateDataKey and"
        " kms:Decrypt; nobody can change the policy of alias/aws/sqs",
    ),
    wrong(
        "target-input",
        lambda target: target.taken != "none",
        "changes that target {Arn} makes to the event: {taken}",
        "the envelope is gone, and with it the key or the cause of duplicates",
        "have the target send the matched event as it is",
    ),
    LETTERS_ALARM_CHECK,
)
