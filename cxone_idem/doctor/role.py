"""A role: it may do what the library does, and no more on its table and queues."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxone_idem.doctor.account import Account, fact
from cxone_idem.doctor.check import Facts, UnreadError, advice, examine, last_name, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cxone_idem.doctor.check import Finding

_POLL = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
_ALIGN = "sqs:ChangeMessageVisibility"
_BEYOND_POLL = ["sqs:DeleteQueue", "sqs:PurgeQueue", "sqs:SendMessage", "sqs:SetQueueAttributes"]
_QUEUE_ACTIONS = {"needed": _POLL, "beyond": [*_BEYOND_POLL, _ALIGN]}
_ALIGNED_QUEUE_ACTIONS = {"needed": [*_POLL, _ALIGN], "beyond": _BEYOND_POLL}
_TABLE_ACTIONS = {
    "needed": ["dynamodb:PutItem"],
    "faster": ["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"],
    # They come with `dynamodb:*` or a ready-made policy: each can undo or bypass a claim, or read
    # what the consumer does not need.
    "beyond": [
        *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
        *("dynamodb:DeleteTable", "dynamodb:GetItem", "dynamodb:PartiQLDelete"),
        *("dynamodb:PartiQLSelect", "dynamodb:Query", "dynamodb:Scan"),
        *("dynamodb:UpdateItem", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive"),
    ],
}
_DENIED = ("explicitDeny", "implicitDeny")


def _access(account: Account, role_arn: str, arn: str, actions: dict[str, list[str]]) -> Facts:
    asked = [action for kind in actions.values() for action in kind]
    # One resource a request: IAM then reports a decision for each action, and which values a
    # policy's condition needs that a simulation does not have.
    of = {"PolicySourceArn": role_arn, "ActionNames": asked, "ResourceArns": [arn]}
    results = account.ask("iam", "simulate_principal_policy", **of)["EvaluationResults"]
    decisions = dict.fromkeys(asked, "uncertain") | dict(_decision(each) for each in results)

    def those(kind: str, *decided: str) -> str:
        found = (each for each in actions.get(kind, ()) if decisions[each] in decided)
        return ", ".join(found) or "none"

    missing: str | UnreadError = those("needed", *_DENIED)
    uncertain = those("needed", "uncertain")
    if missing == "none" != uncertain:
        reason = f"{uncertain} on {arn} depends on a condition of a policy"
        missing = UnreadError(reason, "see that the condition holds for the function")
    facts = {"slow": those("faster", *_DENIED), "excess": those("beyond", "allowed")}
    return Facts(facts, subject=f"role {last_name(role_arn)}", arn=arn, missing=missing)


def _decision(result: dict[str, Any]) -> tuple[str, str]:
    parts = [result, *result.get("ResourceSpecificResults", ())]
    certain = not any(part.get("MissingContextValues") for part in parts)
    return result["EvalActionName"], result["EvalDecision"] if certain else "uncertain"


_EXCESS = advice(
    "least-privilege",
    lambda access: access.excess != "none",
    "allowed on {arn}, though the library never does it: {excess}",
    "a mistake in the function could undo claims or empty the queue",
    "take it from the role, unless your own code does it",
)
_NEEDED = wrong(
    "table-permissions",
    lambda access: access.missing != "none",
    "needed on {arn}, but not allowed: {missing}",
    "AWS refuses the request, so that no event is processed as it should be",
    "allow it on that resource",
)
TABLE_ACCESS_CHECKS = (
    _NEEDED,
    advice(
        "batch-permissions",
        lambda access: access.slow != "none",
        "useful on {arn}, but not allowed: {slow}",
        "each message costs two requests of its own, instead of a few for the whole batch",
        "allow it on that resource",
    ),
    _EXCESS,
)
QUEUE_ACCESS_CHECKS = (replace(_NEEDED, name="queue-permissions"), _EXCESS)


def check_role(account: Account, function: Facts, queue_arns: Iterable[str]) -> Iterator[Finding]:
    """Report which actions a function's role lacks, and which it has without need."""
    actions = _QUEUE_ACTIONS
    role_arn = function.Role
    subject = f"role {last_name(role_arn)}"
    try:
        config = fact(lambda: function.config)
        if isinstance(config, UnreadError):
            yield config.finding("table-permissions", subject)
        else:
            actions = _ALIGNED_QUEUE_ACTIONS if config.align_visibility else actions
            table = _access(account, role_arn, _table_arn(function), _TABLE_ACTIONS)
            yield from examine(table, TABLE_ACCESS_CHECKS)
        for arn in queue_arns:
            yield from examine(_access(account, role_arn, arn, actions), QUEUE_ACCESS_CHECKS)
    except UnreadError as unread:
        fix = "run the doctor against AWS IAM, with iam:SimulatePrincipalPolicy allowed"
        yield UnreadError(str(unread), unread.fix or fix).finding("permissions", subject)


def _table_arn(function: Facts) -> str:
    """Return the ARN of a function's table; only named, it is in its account and Region."""
    table: str = function.config.table
    partition, _, region, owner = function.FunctionArn.split(":")[1:5]
    own = f"arn:{partition}:dynamodb:{region}:{owner}:table/{table}"
    return table if table.startswith("arn:") else own
