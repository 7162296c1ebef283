"""A tap on a boto3 client: how many requests it sends, and the capacity they consume."""

from __future__ import annotations

from typing import Any


class Tap:
    """Counts one client's requests, the SDK's retries included."""

    def __init__(self, client: Any, *, capacity: bool = False) -> None:
        self.requests = 0
        self.writes = 0
        self.write_units = 0.0
        events = client.meta.events
        events.register("before-send.dynamodb", self._sent)
        if capacity:
            events.register("provide-client-params.dynamodb", self._ask)
            events.register("after-call.dynamodb", self._answered)

    def _sent(self, **_: object) -> None:
        self.requests += 1

    def _ask(self, params: dict[str, Any], **_: object) -> dict[str, Any]:
        self.writes += len(params.get("Statements", [params]))
        return {**params, "ReturnConsumedCapacity": "TOTAL"}

    def _answered(self, parsed: dict[str, Any], **_: object) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        for each in consumed if isinstance(consumed, list) else [consumed]:
            self.write_units += each["CapacityUnits"]
