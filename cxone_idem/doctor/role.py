"""Checks a role: it may do what the library does, and no more on its table and queues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cxone_idem.doctor.facts import Check, Finding, Unread, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxone_idem.doctor.account import Account

_CLAIM = ("dynamodb:PutItem",)
_BATCH = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
_POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_ALIGN = ("sqs:ChangeMessageVisibility",)
# Actions that come with `dynamodb:*` or a ready-made policy: each can undo or bypass a claim, or
# read what the consumer does not need.
_BEYOND_TABLE = tuple(
    f"dynamodb:{name}"
    for name in (
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "DeleteTable",
        "GetItem",
        "PartiQLDelete",
        "PartiQLSelect",
        "Query",
        "Scan",
        "UpdateItem",
        "UpdateTable",
        "UpdateTimeToLive",
    )
)
_BEYOND_QUEUE = tuple(
    f"sqs:{name}" for name in ("DeleteQueue", "PurgeQueue", "SendMessage", "SetQueueAttributes")
)

_ALLOWED = "allowed"
_UNCERTAIN = "uncertain"
_ASK_FIX = "run the doctor against AWS IAM, with iam:SimulatePrincipalPolicy allowed"


@dataclass(frozen=True, slots=True)
class Permissions:
    """IAM's decision about each action of a role on one resource."""

    arn: str
    decisions: Mapping[str, str]
    """`allowed`, `explicitDeny` or `implicitDeny`, as IAM says; `uncertain` if it cannot say."""

    def denied(self, actions: Sequence[str]) -> list[str]:
        """Return the actions that are not allowed, whatever the conditions."""
        known = {_ALLOWED, _UNCERTAIN}
        return [action for action in actions if self._decision(action) not in known]

    def those(self, decision: str, actions: Sequence[str]) -> list[str]:
        """Return the actions with this decision."""
        return [action for action in actions if self._decision(action) == decision]

    def _decision(self, action: str) -> str:
        return self.decisions.get(action, _UNCERTAIN)


def simulate(
    account: Account, role_arn: str, actions: Sequence[str], arn: str
) -> Permissions | Unread:
    """Ask IAM which actions a role may do on a resource.

    One resource a request: IAM then reports a decision for each action, and which values a policy's
    condition needs that a simulation does not have.
    """
    answer = account.ask(
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=role_arn,
        ActionNames=list(actions),
        ResourceArns=[arn],
    )
    if isinstance(answer, Unread):
        return replace(answer, fix=answer.fix or _ASK_FIX)
    results = answer["EvaluationResults"]
    return Permissions(arn, {each["EvalActionName"]: _decision(each) for each in results})


def _decision(result: Mapping[str, Any]) -> str:
    parts = [result, *result.get("ResourceSpecificResults", ())]
    if any(part.get("MissingContextValues") for part in parts):
        return _UNCERTAIN
    decision: str = result["EvalDecision"]
    return decision


def check_role(
    account: Account,
    role_arn: str,
    table_arn: str | Unread,
    queue_arns: Sequence[str],
    *,
    aligns_visibility: bool,
) -> Iterator[Finding]:
    """Report which actions a function's role lacks, and which it has without need."""
    subject = f"role {last_name(role_arn)}"
    least_privilege = Check("least-privilege", subject)
    if isinstance(table_arn, Unread):
        yield Check("table-permissions", subject).unknown(table_arn)
    else:
        table = simulate(account, role_arn, (*_CLAIM, *_BATCH, *_BEYOND_TABLE), table_arn)
        if isinstance(table, Unread):
            yield Check("permissions", subject).unknown(table)
            return
        yield _needed(table, _CLAIM, Check("table-permissions", subject))
        yield _batches(table, Check("batch-permissions", subject))
        yield _excess(table, _BEYOND_TABLE, least_privilege)
    needed = (*_POLL, *_ALIGN) if aligns_visibility else _POLL
    beyond = _BEYOND_QUEUE if aligns_visibility else (*_BEYOND_QUEUE, *_ALIGN)
    for arn in queue_arns:
        queue = simulate(account, role_arn, (*needed, *beyond), arn)
        if isinstance(queue, Unread):
            yield Check("permissions", subject).unknown(queue)
            return
        yield _needed(queue, needed, Check("queue-permissions", subject))
        yield _excess(queue, beyond, least_privilege)


def _needed(allowed: Permissions, actions: Sequence[str], check: Check) -> Finding:
    missing = allowed.denied(actions)
    name = last_name(allowed.arn)
    if missing:
        return check.wrong(
            f"{', '.join(missing)} on {name} is not allowed",
            "AWS refuses the request, so that no event is processed as it should be",
            f"allow it on {allowed.arn}",
        )
    uncertain = allowed.those(_UNCERTAIN, actions)
    if uncertain:
        why = f"{', '.join(uncertain)} on {name} depends on a condition of a policy"
        return check.unknown(Unread(why, "see that the condition holds for the function"))
    return check.ok(f"{', '.join(actions)} on {name}")


def _batches(allowed: Permissions, check: Check) -> Finding:
    missing = allowed.denied(_BATCH)
    if not missing:
        return check.ok(", ".join(_BATCH))
    return check.advice(
        f"{', '.join(missing)} on {last_name(allowed.arn)} is not allowed",
        "each message costs two requests of its own, instead of a few for the whole batch",
        f"allow it on {allowed.arn}",
    )


def _excess(allowed: Permissions, actions: Sequence[str], check: Check) -> Finding:
    name = last_name(allowed.arn)
    found = allowed.those(_ALLOWED, actions)
    if not found:
        return check.ok(f"nothing beyond what is needed on {name}")
    return check.advice(
        f"{', '.join(found)} on {name} is allowed, and the library never does it",
        "a mistake in the function could undo claims or empty the queue",
        "take it from the role, unless your own code does it",
    )
