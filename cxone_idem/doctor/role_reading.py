"""Reads what a role's policies say: inline, attached, and its permissions boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem.doctor.facts import Role, Unread, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxone_idem.doctor.account import Account

    Statements = tuple[Mapping[str, Any], ...]


class _UnreadableError(Exception):
    """Some policy cannot be read, so that nothing is known of the role."""

    def __init__(self, unread: Unread) -> None:
        super().__init__(unread.why)
        self.unread = unread


def read_role(account: Account, arn: str) -> Role | Unread:
    """Read all policies of a role; one that cannot be read leaves all of it unknown."""
    name = last_name(arn)
    try:
        role = _ask(account, "get_role", RoleName=name)["Role"]
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return Role(
            name=name,
            statements=(*_inline(account, name), *_attached(account, name)),
            boundary=tuple(_managed(account, boundary)) if boundary else None,
        )
    except _UnreadableError as error:
        return error.unread


def _inline(account: Account, role: str) -> Iterator[Mapping[str, Any]]:
    for name in _ask(account, "list_role_policies", RoleName=role)["PolicyNames"]:
        policy = _ask(account, "get_role_policy", RoleName=role, PolicyName=name)
        yield from _statements(policy["PolicyDocument"])


def _attached(account: Account, role: str) -> Iterator[Mapping[str, Any]]:
    answer = _ask(account, "list_attached_role_policies", RoleName=role)
    for policy in answer["AttachedPolicies"]:
        yield from _managed(account, policy["PolicyArn"])


def _managed(account: Account, arn: str) -> Iterator[Mapping[str, Any]]:
    policy = _ask(account, "get_policy", PolicyArn=arn)["Policy"]
    version = _ask(
        account, "get_policy_version", PolicyArn=arn, VersionId=policy["DefaultVersionId"]
    )
    yield from _statements(version["PolicyVersion"]["Document"])


def _statements(document: Mapping[str, Any]) -> Statements:
    """Return a policy's statements; IAM allows a single one to stand without its list."""
    found = document["Statement"]
    return (found,) if isinstance(found, dict) else tuple(found)


def _ask(account: Account, operation: str, **parameters: str) -> dict[str, Any]:
    answer = account.ask("iam", operation, **parameters)
    if isinstance(answer, Unread):
        raise _UnreadableError(answer)
    return answer
