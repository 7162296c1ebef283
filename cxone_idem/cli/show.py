"""`show`: a key's record in words."""

from __future__ import annotations

from dataclasses import asdict

import click

from cxone_idem import protocol
from cxone_idem.cli.exit import Exit
from cxone_idem.cli.sighting import look_up
from cxone_idem.cli.terminal import json_option, print_json, print_table
from cxone_idem.cli.words import describe
from cxone_idem.config import Config
from cxone_idem.record import State


@click.command("show")
@click.argument("key")
@json_option
@click.pass_context
def command(ctx: click.Context, key: str, *, as_json: bool) -> None:
    """Show the record of KEY: its state, whose delivery has it, and until when.

    KEY is what CXONE_IDEM_KEY finds in the event; the namespace is put before it. Reads the table
    (dynamodb:GetItem) and changes nothing.
    """
    config = Config.from_environ()
    sighting = look_up(key, config)
    if sighting is None:
        ctx.exit(Exit.NOT_FOUND)
    record, now_ms = sighting
    if not as_json:
        print_table(("what", "value"), [("table", config.table), *describe(record, now_ms)])
        return
    in_progress, done = record.state is State.IN_PROGRESS, record.state is State.DONE
    judged = {
        "lease_over": in_progress and protocol.is_lease_over(record, now_ms),
        "past_retention": done and protocol.is_past_retention(record, now_ms),
    }
    print_json({"table": config.table, "store_time_ms": now_ms, **judged, **asdict(record)})
