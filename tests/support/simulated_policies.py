"""IAM's policy simulation in the shape AWS documents, by moto's roles and evaluator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import iam_backends

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"


def simulate_on_moto(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Answer a SimulatePrincipalPolicy request from the roles in moto's account."""
    arn = parameters["PolicySourceArn"]
    backend = iam_backends[arn.split(":")[4]]["aws"]
    role = backend.get_role(arn.rpartition("/")[2])
    policies = [*role.policies.values(), *role.managed_policies.values()]
    boundary = role.permissions_boundary_arn
    bounds = [backend.managed_policies[boundary]] if boundary else []
    (resource,) = _members(parameters, "ResourceArns")
    decisions = {
        action: _decide(policies, bounds, action, resource)
        for action in _members(parameters, "ActionNames")
    }
    return answer(decisions, resource)


def answer(
    decisions: Mapping[str, str], resource: str, missing: Mapping[str, list[str]] | None = None
) -> dict[str, Any]:
    """Return IAM's answer for one resource; `missing` are context keys it asks for, by action."""
    return {
        "EvaluationResults": [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": decision,
                "MatchedStatements": [],
                "MissingContextValues": [],
                "ResourceSpecificResults": [
                    {
                        "EvalResourceName": resource,
                        "EvalResourceDecision": decision,
                        "MatchedStatements": [],
                        "MissingContextValues": (missing or {}).get(action, []),
                    }
                ],
            }
            for action, decision in decisions.items()
        ],
        "IsTruncated": False,
    }


def _members(parameters: Mapping[str, str], name: str) -> list[str]:
    prefix = f"{name}.member."
    return [value for key, value in parameters.items() if key.startswith(prefix)]


def _decide(policies: Iterable[Any], bounds: list[Any], action: str, resource: str) -> str:
    results = _results(policies, action, resource)
    if PermissionResult.DENIED in results | _results(bounds, action, resource):
        return EXPLICIT_DENY
    allowed = PermissionResult.PERMITTED in results
    if bounds:
        allowed = allowed and PermissionResult.PERMITTED in _results(bounds, action, resource)
    return ALLOWED if allowed else IMPLICIT_DENY


def _results(policies: Iterable[Any], action: str, resource: str) -> set[PermissionResult]:
    return {IAMPolicy(policy).is_action_permitted(action, resource) for policy in policies}
