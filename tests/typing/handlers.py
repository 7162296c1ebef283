"""Read by type checkers only: a handler names the event as it likes, if that is a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from typing_extensions import assert_type

from cxone_idem import (
    Deduplicator,
    MemoryStore,
    Message,
    current_message,
    once,
    process_batch,
    sns,
)
from cxone_idem.aio import AsyncDeduplicator

if TYPE_CHECKING:
    from aws_lambda_typing.events.sqs import SQSMessage

deduplicator = Deduplicator(MemoryStore())


class Detail(TypedDict):
    """What a team reads of an event."""

    conversationId: str


class Conversation(TypedDict):
    """An event of that team."""

    id: str
    detail: Detail


def of_a_typed_dict(event: Conversation) -> str:
    """Do something."""
    return event["detail"]["conversationId"]


def of_a_dict(event: dict[str, Any]) -> None:
    """Do something."""
    event.clear()


def of_a_mapping(event: Mapping[str, object]) -> int:
    """Do something."""
    return len(event)


def of_anything(event: object, more: int = 0) -> None:
    """Do something."""
    del event, more


async def on_a_loop(event: Conversation) -> str:
    """Do something."""
    return event["id"]


def of_a_number(event: int) -> int:
    """Do nothing that an event could be for."""
    return event


def decodes(record: SQSMessage) -> Conversation:
    """Take what another package calls a record, and return the team's event."""
    return {"id": record.get("messageId", ""), "detail": {"conversationId": "c"}}


def current() -> tuple[str, int | None, str]:
    """Ask for the message of the running handler."""
    message = current_message()
    assert_type(message, Message)
    assert_type(message.receive_count, int | None)
    return message.id, message.receive_count, message.message_attributes["tenant"]["stringValue"]


async def accepted(event: object) -> None:
    """Pass each of them to each way in."""
    ran: list[dict[str, Any]] = []
    deduplicator.process_batch(event, of_a_typed_dict)
    deduplicator.process_batch(event, of_a_dict)
    deduplicator.process_batch(event, of_a_mapping)
    deduplicator.process_batch(event, of_anything)
    deduplicator.process_batch(event, ran.append)
    deduplicator.process_batch(event, lambda envelope: ran.append(envelope["detail"]))
    process_batch(event, of_a_typed_dict)
    process_batch(event, of_a_dict, decode=decodes)
    Deduplicator.from_environ(decode=sns.decode)
    AsyncDeduplicator.from_environ(decode=lambda record: str(record["body"]))
    await AsyncDeduplicator(deduplicator).process_batch(event, on_a_loop)
    once(of_a_typed_dict)({"id": "e", "detail": {"conversationId": "c"}})


async def mistakes(event: object) -> None:
    """Each line is refused: an ignore that nothing needs is an error of its own."""
    deduplicator.process_batch(event, of_a_number)  # type: ignore[type-var]
    process_batch(event, of_a_dict, decode=of_a_number)  # type: ignore[arg-type]
    process_batch(event, of_a_number)  # type: ignore[type-var]
    process_batch(event, mistakes(event))  # type: ignore[arg-type]
    await AsyncDeduplicator(deduplicator).process_batch(event, of_a_number)  # type: ignore[type-var]
