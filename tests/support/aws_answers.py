"""Answers of AWS that no engine gives, as botocore reads them from the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest


class Body:
    """A response's body, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> list[bytes]:
        return [self._content]


def refusal(request: AWSPreparedRequest, code: str) -> AWSResponse:
    """Return DynamoDB's answer 400 with an error code."""
    body = f'{{"__type": "com.amazonaws.dynamodb#{code}", "message": "said AWS"}}'
    headers: Any = {"content-type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, 400, headers, Body(body.encode()))
