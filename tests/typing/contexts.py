"""Read by type checkers only: whatever type a handler names for Lambda's context fits ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem import AlreadyDone, BatchResponse, Claimed, Deduplicator, MemoryStore, claim
from cxone_idem import process_batch as process
from cxone_idem.aio import AsyncDeduplicator
from cxone_idem.testing import FakeContext, failed_ids, sqs_event_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext as PowertoolsContext
    from aws_lambda_typing.context import Context
    from aws_lambda_typing.events import SQSEvent

deduplicator = Deduplicator(MemoryStore())


def work(event: dict[str, Any]) -> None:
    """Do something."""
    print(event["id"])  # noqa: T201


def powertools(event: dict[str, Any], context: PowertoolsContext) -> PartialItemFailureResponse:
    """Take Powertools' context, and return its response."""
    return deduplicator.process_batch(event, work, context=context)


def powertools_claims(key: str, context: PowertoolsContext) -> Claimed | AlreadyDone:
    """Pass it to a claim."""
    deduplicator.claim(key, context=context)
    return claim(key, context=context)


def lambda_typing(event: SQSEvent, context: Context) -> BatchResponse:
    """Take the types of aws-lambda-typing."""
    deduplicator.claim("k", context=context)
    return process(event, work, context=context)


async def asynchronous(
    event: SQSEvent, context: PowertoolsContext, other: Context
) -> PartialItemFailureResponse:
    """Do the same on a loop."""
    on_loop = AsyncDeduplicator(deduplicator)
    await on_loop.claim("k", context=other)
    return await on_loop.process_batch(event, work, context=context)


def faked() -> list[str]:
    """Test a consumer."""
    claim("k", context=FakeContext())
    return failed_ids(deduplicator.process_batch(sqs_event_of("k"), work, context=FakeContext()))


def mistakes(event: dict[str, Any]) -> None:
    """Each line is refused: an ignore that nothing needs is an error of its own."""
    deduplicator.process_batch(event, work, context=event)  # type: ignore[arg-type]
    claim("k", context="context")  # type: ignore[arg-type]
