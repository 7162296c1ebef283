"""`redo`: make a key that is done free to claim, so that its event can run again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cxone_idem import protocol
from cxone_idem.cli.exit import Exit
from cxone_idem.cli.sighting import look_up
from cxone_idem.cli.terminal import narrate
from cxone_idem.cli.words import duration, origin
from cxone_idem.config import Config
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.dynamodb import DynamoDBStore
from cxone_idem.dynamodb_request import create_client
from cxone_idem.errors import InProgressError, quoted
from cxone_idem.record import State

if TYPE_CHECKING:
    from cxone_idem.record import Record


@click.command("redo")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def command(ctx: click.Context, keys: tuple[str, ...], *, yes: bool) -> None:
    """Make each KEY that is done free to claim, after a question, so that its event can run again.

    Then send the event, or redrive it from its dead-letter queue, once no process remembers the key
    as done: CXONE_IDEM_REMEMBER_SECONDS after this. A key that a worker has is refused. The record
    is written on the condition that it is still done, and keeps its generation.
    """
    # The kill switch is the consumer's: with it thrown, nothing would be written.
    config = replace(Config.from_environ(), disabled=False)
    client = create_client()
    ctx.exit(max([_redo(key, config, client, yes=yes) for key in keys]))


def _redo(key: str, config: Config, client: Any, *, yes: bool) -> int:
    sighting = look_up(key, config, client)
    if sighting is None:
        return Exit.NOT_FOUND
    record, now_ms = sighting
    if record.state is not State.DONE or protocol.is_past_retention(record, now_ms):
        busy = record.state is State.IN_PROGRESS and not protocol.is_lease_over(record, now_ms)
        narrate(f"{quoted(key)}: {_BUSY if busy else _FREE}")
        return Exit.REFUSED if busy else Exit.OK
    narrate(f"{quoted(key)} is done: {_done(record, now_ms)}; run again, its effect happens again")
    if not yes and not click.confirm("Make it free to claim?", err=True):
        narrate("not done: the answer was no")
        return Exit.REFUSED
    store = DynamoDBStore(
        config.table,
        client,
        partition_key=config.partition_key,
        ttl_attribute=config.ttl_attribute,
    )
    try:
        Deduplicator(store, config).forget(key)
    except InProgressError as error:
        narrate(f"refused: {error}")
        return Exit.REFUSED
    narrate(f"{quoted(key)} is free: its next delivery does the work{_memory(config)}")
    return Exit.OK


_BUSY = "refused: a worker has the key, so it is not done yet"
_FREE = "it is free already: its next delivery does the work"


def _memory(config: Config) -> str:
    if not config.remember_seconds:
        return ""
    return (
        "; a process that saw it done drops its events for up to"
        f" {duration(int(config.remember_seconds * 1000))} more (CXONE_IDEM_REMEMBER_SECONDS)"
    )


def _done(record: Record, now_ms: int) -> str:
    if record.done_at_ms is None:
        return "a marker without a time"
    return f"{duration(now_ms - record.done_at_ms)} ago, for {origin(record.origin)}"
