"""`create-table`: a table for the records, as the environment names it."""

from __future__ import annotations

import click

from cxone_idem.cli.options import on_records
from cxone_idem.cli.output import print_status, refuse
from cxone_idem.config import Config
from cxone_idem.stores.dynamodb_admin import TableAdmin


@click.command("create-table")
@click.option("--yes", is_flag=True, help="Do not ask before TTL is switched on for an old table.")
@on_records
def create_table(*, yes: bool) -> None:
    """Create the table for the records, and wait for it.

    On-demand, with one text partition key, TTL on, and deletion protection on. A table that is
    right already is left as it is; one with another key or another TTL attribute is refused.
    """
    config = Config.from_environ()
    admin = TableAdmin(config)
    table, ttl_attribute = f"table {config.table!r}", config.ttl_attribute
    existing = admin.describe()
    if existing is None:
        print_status(f"creating {table}")
        admin.create()
        admin.switch_ttl_on()
        print_status(
            f"created: on-demand, key {config.partition_key!r}, TTL on {ttl_attribute!r}, protected"
            " from deletion"
        )
        return
    mistake = admin.schema_mistake(existing)
    if mistake:
        refuse(f"{table} exists, and {mistake}")
    admin.wait()
    _switch_ttl_on(admin, table, ttl_attribute, yes=yes)


def _switch_ttl_on(admin: TableAdmin, table: str, ttl_attribute: str, *, yes: bool) -> None:
    """Switch TTL on if it is off: a run that was stopped half way has left it so."""
    found = admin.ttl_attribute()
    if found == ttl_attribute:
        print_status(f"{table} is right already")
        return
    if found is not None:
        refuse(
            f"{table} exists, and its TTL is on for {found!r}, expected {ttl_attribute!r}:"
            " set CXONE_IDEM_TTL_ATTRIBUTE, or switch that TTL off"
        )
    print_status(f"{table} exists, with TTL off")
    if not yes:
        question = f"Have DynamoDB delete its items once their {ttl_attribute!r} is past?"
        click.confirm(question, abort=True, err=True)
    admin.switch_ttl_on()
    print_status(f"TTL is on for {ttl_attribute!r}")
