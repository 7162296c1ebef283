"""Answers to a BatchExecuteStatement that are throttled in part, or that nobody specified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Execute = Callable[[bytes], "Response"]

_THROTTLED = {"Code": "ThrottlingError", "Message": "injected"}
_UNSPECIFIED = {"Code": "InjectedByTheCampaign", "Message": "injected"}


class Response(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer(fault: str, body: bytes, execute: Execute, draw: random.Random) -> tuple[Response, bool]:
    """Answer a batch with a fault; the second value says whether that took effect."""
    if fault == "statements throttled":
        return _failing_some(_THROTTLED, body, execute, draw), True
    if fault == "unspecified error" and draw.random() < 0.5:
        return _failing_some(_UNSPECIFIED, body, execute, draw), True
    response = execute(body)
    content = json.loads(response.body)
    answers = content.get("Responses")
    if not answers:
        return response, False
    if fault == "no responses":
        del content["Responses"]
    elif fault == "fewer responses":
        answers.pop()
    elif fault == "unspecified error":
        answers[draw.randrange(len(answers))] = {"Error": _UNSPECIFIED}
    elif not _strip_items(answers):
        return response, False
    return _with(response, content), True


def throttled(body: bytes) -> bytes:
    """Return the body of an answer in which every statement is throttled."""
    count = len(json.loads(body)["Statements"])
    return json.dumps({"Responses": [{"Error": _THROTTLED}] * count}).encode()


def _failing_some(
    error: dict[str, str], body: bytes, execute: Execute, draw: random.Random
) -> Response:
    """Execute some statements; answer the others with `error`."""
    request = json.loads(body)
    statements = request["Statements"]
    failing = {n for n in range(len(statements)) if draw.random() < 0.5}
    failing.add(draw.randrange(len(statements)))
    kept = [one for n, one in enumerate(statements) if n not in failing]
    if not kept:
        return _new({"Responses": [{"Error": error} for _ in statements]})
    response = execute(json.dumps({**request, "Statements": kept}).encode())
    content = json.loads(response.body)
    if "Responses" not in content:
        return response
    executed = iter(content["Responses"])
    content["Responses"] = [
        {"Error": error} if n in failing else next(executed) for n in range(len(statements))
    ]
    return _with(response, content)


def _strip_items(answers: list[dict[str, Any]]) -> bool:
    """Take the items out of the refusals; tell whether there was one."""
    items = [one.get("Error", {}).pop("Item", None) for one in answers]
    return any(item is not None for item in items)


def _new(content: dict[str, Any]) -> Response:
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    return Response(200, headers, json.dumps(content).encode())


def _with(response: Response, content: dict[str, Any]) -> Response:
    """Return `response` with another body, which its checksum does not know."""
    headers = {n: v for n, v in response.headers.items() if n.lower() != "x-amz-crc32"}
    return Response(response.status, headers, json.dumps(content).encode())
