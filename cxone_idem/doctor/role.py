"""A role: it may do what the library does, and no more on its table and queues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cxone_idem.config import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Facts, Finding, UnreadError, advice, examine, last_name, wrong

_POLL = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
_ALIGN = "sqs:ChangeMessageVisibility"
_BEYOND_POLL = ["sqs:DeleteQueue", "sqs:PurgeQueue", "sqs:SendMessage", "sqs:SetQueueAttributes"]
_QUEUE_ACTIONS = {"needed": _POLL, "beyond": [*_BEYOND_POLL, _ALIGN]}
_ALIGNED_QUEUE_ACTIONS = {"needed": [*_POLL, _ALIGN], "beyond": _BEYOND_POLL}
_LOG_ACTIONS = {"needed": ["logs:CreateLogStream", "logs:PutLogEvents"]}
KEY_ACTIONS = {"needed": ["kms:Decrypt"]}
TABLE_KEY_ACTIONS = {"needed": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]}
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
_KINDS = {"dynamodb": "table", "sqs": "queue", "logs": "log", "kms": "key"}
Key = tuple[str, dict[str, list[str]]]
"""The ARN of a key, and the actions on it that a role needs."""
_UNCERTAIN = "uncertain"
_DENIED = ("explicitDeny", "implicitDeny")


def _access(account: Account, role_arn: str, arn: str, actions: dict[str, list[str]]) -> Facts:
    # One resource a request: IAM then reports a decision for each action, and which values a
    # policy's condition needs that a simulation does not have.
    asked = [action for kind in actions.values() for action in kind]
    of = {"PolicySourceArn": role_arn, "ActionNames": asked, "ResourceArns": [arn]}
    results = account.ask("iam", "simulate_principal_policy", **of)["EvaluationResults"]
    decisions = {each["EvalActionName"]: _decision(each) for each in results}

    def those(kind: str, *decided: str) -> str:
        found = (
            each for each in actions.get(kind, ()) if decisions.get(each, _UNCERTAIN) in decided
        )
        return ", ".join(found) or "none"

    missing, uncertain = those("needed", *_DENIED), those("needed", _UNCERTAIN)
    reason = f"{uncertain} on {arn} depends on a condition of a policy"
    unread = UnreadError(reason, "see that the condition holds for the function")
    kind = _KINDS[arn.split(":")[2]]
    return Facts(
        subject=f"role {last_name(role_arn)}",
        checks=_ACCESS_CHECKS if "beyond" in actions else _ACCESS_CHECKS[:1],
        kind=kind,
        otherwise=", or see that the key's own policy does" if kind == "key" else "",
        arn=arn,
        missing=unread if missing == "none" != uncertain else missing,
        slow=those("faster", *_DENIED),
        excess=those("beyond", "allowed"),
    )


def _decision(result: dict[str, Any]) -> str:
    parts = [result, *result.get("ResourceSpecificResults", ())]
    uncertain = any(part.get("MissingContextValues") for part in parts)
    return _UNCERTAIN if uncertain else str(result["EvalDecision"])


_ACCESS_CHECKS = (
    wrong(
        "{kind}-permissions",
        lambda access: access.missing != "none",
        "needed on {arn}, but not allowed: {missing}",
        "AWS refuses the request: no event is processed as it should be, or nothing can be seen",
        "allow it on that {kind}{otherwise}",
    ),
    advice(
        "batch-permissions",
        lambda access: access.slow != "none",
        "useful on {arn}, but not allowed: {slow}",
        "each message costs two requests of its own, instead of a few for the whole batch",
        "allow it on that {kind}",
    ),
    advice(
        "least-privilege",
        lambda access: access.excess != "none",
        "allowed on {arn}, though the library never does it: {excess}",
        "a mistake in the function could undo claims or empty the queue",
        "take it from the role, unless your own code does it",
    ),
)


def check_role(
    account: Account, function: Facts, queue_arns: Iterable[str], keys: Iterable[Key] = ()
) -> Iterator[Finding]:
    """Report which actions a function's role lacks, and which it has without need."""
    subject = f"role {last_name(function.Role)}"
    config, actions = function.get("config"), _QUEUE_ACTIONS
    # Only named, a table or a log group is in the function's own account and Region.
    partition, _, region, owner = function.FunctionArn.split(":")[1:5]
    log = f"arn:{partition}:logs:{region}:{owner}:log-group:{function.log_group}:log-stream:any"
    try:
        if isinstance(config, Config):
            own = f"arn:{partition}:dynamodb:{region}:{owner}:table/{config.table}"
            arn = config.table if config.table.startswith("arn:") else own
            yield from examine(_access(account, function.Role, arn, _TABLE_ACTIONS))
            actions = _ALIGNED_QUEUE_ACTIONS if config.align_visibility else actions
        elif config:
            yield config.finding("table-permissions", subject)
        for arn in queue_arns:
            yield from examine(_access(account, function.Role, arn, actions))
        yield from examine(_access(account, function.Role, log, _LOG_ACTIONS))
        for key_arn, needed in keys:
            yield from examine(_access(account, function.Role, key_arn, needed))
    except UnreadError as unread:
        fix = "run the doctor against AWS IAM, with iam:SimulatePrincipalPolicy allowed"
        yield UnreadError(str(unread), unread.fix or fix).finding("permissions", subject)
