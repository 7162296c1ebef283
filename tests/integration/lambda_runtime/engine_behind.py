"""A script for `ScriptedDynamoDB` that has a real engine answer."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

# DynamoDB Local reads who asks, and does not check that it is true.
_SIGNED = (
    "AWS4-HMAC-SHA256 Credential=testing/20230101/us-east-1/dynamodb/aws4_request,"
    " SignedHeaders=host, Signature=0"
)


def engine_behind(url: str) -> Any:
    """Return the script that passes every request on to the engine at `url`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def answer(operation: str, content: dict[str, Any]) -> Any:
        headers = {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": _SIGNED,
        }
        request = urllib.request.Request(url, json.dumps(content).encode(), headers)  # noqa: S310 -- loopback
        try:
            with opener.open(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return answer
