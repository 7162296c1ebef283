"""`release`: give a key up on behalf of a worker that cannot do so any more."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import click

from cxone_idem import protocol
from cxone_idem.cli.exit import Exit
from cxone_idem.cli.sighting import look_up
from cxone_idem.cli.terminal import narrate
from cxone_idem.cli.words import duration, origin
from cxone_idem.config import Config
from cxone_idem.dynamodb import DynamoDBStore
from cxone_idem.dynamodb_request import create_client
from cxone_idem.errors import ClaimLostError
from cxone_idem.held_record import HeldRecord
from cxone_idem.record import State
from cxone_idem.store import NO_DEADLINE
from cxone_idem.writer import Writer

if TYPE_CHECKING:
    from cxone_idem.record import Record


@click.command("release")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask, where releasing is safe.")
@click.pass_context
def command(ctx: click.Context, key: str, *, yes: bool) -> None:
    """Release KEY, so that its next delivery does the work.

    A key whose lease is over is released after a question, or with --yes. While its lease still
    runs, its worker may be at work, and the work could be done twice: then only a person can
    release it, by typing the key. What is done is never released. The record is written only if it
    is still the one that was looked at, and keeps its generation.
    """
    config = Config.from_environ()
    client = create_client()
    sighting = look_up(key, config, client)
    if sighting is None:
        ctx.exit(Exit.NOT_FOUND)
    record, now_ms = sighting
    done = record.state is State.DONE
    if record.state is State.RELEASED or (done and protocol.is_past_retention(record, now_ms)):
        narrate("it is free already: the next delivery does the work")
        return
    if done:
        narrate("refused: the work is done, and releasing the key would have it done again")
        ctx.exit(Exit.REFUSED)
    left_ms = record.lease_until_ms - now_ms
    if protocol.is_lease_over(record, now_ms):
        _ask_whether_to_release(record, left_ms, yes=yes)
    elif yes:
        narrate(f"refused: {_worker(record, left_ms)}; without --yes a person can release it")
        ctx.exit(Exit.REFUSED)
    else:
        _ask_whether_the_worker_is_dead(key, record, left_ms)
    try:
        _release(key, record, config, client)
    except ClaimLostError:
        narrate("refused: the record changed in the meantime, so nothing was written; look again")
        ctx.exit(Exit.REFUSED)
    narrate("released: the next delivery does the work")


def _ask_whether_to_release(record: Record, left_ms: int, *, yes: bool) -> None:
    narrate(
        f"its lease ended {duration(left_ms)} ago, so the next delivery takes over in any case;"
        " once released, a worker that is only late can no longer complete it"
        f" (claimed for {origin(record.origin)})"
    )
    if not yes:
        click.confirm("Release it?", abort=True, err=True)


def _ask_whether_the_worker_is_dead(key: str, record: Record, left_ms: int) -> None:
    narrate(
        f"{_worker(record, left_ms)}. If that worker is alive, THE WORK WILL BE DONE TWICE."
        " Wait for the lease to end, unless you know that the worker is dead."
    )
    if click.prompt("Type the key to say that it is dead", default="", err=True) != key:
        raise click.Abort


def _worker(record: Record, left_ms: int) -> str:
    return (
        f"the lease runs for another {duration(left_ms)} at most, so its worker may be at work"
        f" (claimed for {origin(record.origin)})"
    )


def _release(key: str, record: Record, config: Config, client: Any) -> None:
    """Write the record as released, on the condition that it is still the one that was seen."""
    store = DynamoDBStore(
        config.table,
        client,
        partition_key=config.partition_key,
        ttl_attribute=config.ttl_attribute,
    )
    writer = Writer(store, config.retention_seconds, time.time, lambda: uuid.uuid4().hex)
    HeldRecord(key, record, writer, NO_DEADLINE).write(protocol.released)
