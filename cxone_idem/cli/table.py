"""`create-table`: a table for the records, as the environment names it."""

from __future__ import annotations

import click

from cxone_idem.cli.output import Exit, print_status
from cxone_idem.config import Config
from cxone_idem.stores.dynamodb_admin import TableAdmin


@click.command("create-table")
@click.option("--yes", is_flag=True, help="Do not ask before TTL is switched on for an old table.")
@click.pass_context
def create_table(ctx: click.Context, *, yes: bool) -> None:
    """Create the table that CXONE_IDEM_TABLE names, and wait until it can be used.

    On-demand, with one text partition key, TTL on, and deletion protection on. A table that is
    right already is left as it is; one with another key or another TTL attribute is refused.
    """
    config = Config.from_environ()
    admin = TableAdmin(config)
    existing = admin.describe()
    if existing is None:
        print_status(f"creating table {config.table!r}")
        admin.create()
        admin.switch_ttl_on()
        print_status(
            f"created: on-demand, key {config.partition_key!r}, TTL on {config.ttl_attribute!r},"
            " protected from deletion"
        )
        return
    mistake = admin.schema_mistake(existing)
    if mistake:
        print_status(f"refused: table {config.table!r} exists, and {mistake}")
        ctx.exit(Exit.REFUSED)
    admin.wait()
    _switch_ttl_on(ctx, admin, config, yes=yes)


def _switch_ttl_on(ctx: click.Context, admin: TableAdmin, config: Config, *, yes: bool) -> None:
    """Switch TTL on if it is off: a run that was stopped half way has left it so."""
    attribute = admin.ttl_attribute()
    if attribute == config.ttl_attribute:
        print_status(f"table {config.table!r} is right already")
        return
    if attribute is not None:
        print_status(
            f"refused: table {config.table!r} exists, and its TTL is on for {attribute!r}, expected"
            f" {config.ttl_attribute!r}: set CXONE_IDEM_TTL_ATTRIBUTE, or switch that TTL off"
        )
        ctx.exit(Exit.REFUSED)
    print_status(f"table {config.table!r} exists, with TTL off")
    if not yes:
        question = f"Have DynamoDB delete its items once their {config.ttl_attribute!r} is past?"
        click.confirm(question, abort=True, err=True)
    admin.switch_ttl_on()
    print_status(f"TTL is on for {config.ttl_attribute!r}")
