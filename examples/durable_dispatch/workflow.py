"""The durable function that the dispatcher starts: two steps, and a day between them."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import (
    DurableContext,
    StepContext,
    durable_execution,
    durable_step,
)
from aws_durable_execution_sdk_python.config import Duration


@durable_step
def open_case(_: StepContext, key: str, conversation_id: str) -> str:
    """Open a case. A step can run again: send the key to the API, if it takes one."""
    print(f"open a case for {conversation_id}, idempotency key {key}")
    return f"case-of-{conversation_id}"


@durable_step
def remind(_: StepContext, key: str, case: str) -> None:
    """Remind the agent of the case."""
    print(f"remind of {case}, idempotency key {key}")


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, str]:
    """Open a case, wait for a day without a running function, and remind."""
    key: str = event["key"]
    case: str = context.step(open_case(key, event["detail"]["conversationId"]))
    context.wait(Duration.from_hours(24), name="a day")
    context.step(remind(key, case))
    return {"case": case}
