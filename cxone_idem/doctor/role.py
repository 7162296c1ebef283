"""Whether a role may do what the library does, and no more on its table and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxone_idem.doctor.facts import Role, Unread, last_name
from cxone_idem.doctor.finding import Check, Finding
from cxone_idem.doctor.policy import Grant, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CLAIM = ("dynamodb:PutItem",)
_BATCH = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
_POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_ALIGN = ("sqs:ChangeMessageVisibility",)
# What a role has by `dynamodb:*` or a ready-made policy: each can undo or bypass a claim, or read
# what the consumer has no need to.
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


def check_role(
    role: Role, table_arn: str | Unread, queue_arns: Sequence[str], *, aligns_visibility: bool
) -> Iterator[Finding]:
    """Say which actions a function's role lacks, and which it has without need."""
    subject = f"role {role.name}"
    if isinstance(table_arn, Unread):
        yield Check("table-permissions", subject).unknown(table_arn)
    else:
        yield _needed(role, _CLAIM, table_arn, Check("table-permissions", subject))
        yield _batches(role, table_arn, Check("batch-permissions", subject))
        yield _excess(role, _BEYOND_TABLE, table_arn, Check("least-privilege", subject))
    needed = (*_POLL, *_ALIGN) if aligns_visibility else _POLL
    beyond = _BEYOND_QUEUE if aligns_visibility else (*_BEYOND_QUEUE, *_ALIGN)
    for arn in queue_arns:
        yield _needed(role, needed, arn, Check("queue-permissions", subject))
        yield _excess(role, beyond, arn, Check("least-privilege", subject))


def _needed(role: Role, actions: Sequence[str], arn: str, check: Check) -> Finding:
    missing = _with(role, actions, arn, Grant.NOT_ALLOWED)
    where = last_name(arn)
    if missing:
        return check.wrong(
            f"{', '.join(missing)} on {where} is not allowed",
            "AWS refuses the request, so that no event is processed as it should be",
            f"allow it on {arn}",
        )
    perhaps = _with(role, actions, arn, Grant.CONDITIONAL)
    if perhaps:
        why = f"{', '.join(perhaps)} on {where} depends on a condition of a policy"
        return check.unknown(Unread(why, "see that the condition holds for the function"))
    return check.ok(f"{', '.join(actions)} on {where}")


def _batches(role: Role, arn: str, check: Check) -> Finding:
    missing = _with(role, _BATCH, arn, Grant.NOT_ALLOWED)
    if not missing:
        return check.ok(", ".join(_BATCH))
    return check.advice(
        f"{', '.join(missing)} on {last_name(arn)} is not allowed",
        "each message costs two requests of its own, instead of a few for the whole batch",
        f"allow it on {arn}",
    )


def _excess(role: Role, actions: Sequence[str], arn: str, check: Check) -> Finding:
    found = _with(role, actions, arn, Grant.ALLOWED)
    if not found:
        return check.ok(f"nothing beyond what is needed on {last_name(arn)}")
    return check.advice(
        f"{', '.join(found)} on {last_name(arn)} is allowed, and the library never does it",
        "a mistake in the function could undo claims or empty the queue",
        "take it from the role, unless your own code does it",
    )


def _with(role: Role, actions: Sequence[str], arn: str, grant: Grant) -> list[str]:
    return [action for action in actions if _grant(role, action, arn) is grant]


def _grant(role: Role, action: str, arn: str) -> Grant:
    grants = [judge(role.statements, action, arn)]
    if role.boundary is not None:
        grants.append(judge(role.boundary, action, arn))
    for least in (Grant.NOT_ALLOWED, Grant.CONDITIONAL):
        if least in grants:
            return least
    return Grant.ALLOWED
