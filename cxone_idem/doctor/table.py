"""Checks a table: it keeps records as the protocol needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem.doctor.facts import Check, Finding, Table, Unread
from cxone_idem.setting import variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxone_idem.config import Config

# As seconds that is the year 5138, as milliseconds 1973: no time that a record could mean.
_MILLISECONDS_FROM = 10**11
# The first delivery of an event: one unit for its claim, one for its completion (item under 1 KB).
_UNITS_AN_EVENT = 2


def check_table(table: Table | Unread, config: Config) -> Iterator[Finding]:
    """Report on each property of a table."""
    subject = f"table {config.table}"
    if isinstance(table, Unread):
        yield _unreadable(table, Check("table", subject))
        return
    yield _key(table, config, Check("table-key", subject))
    yield _ttl(table, config, Check("ttl", subject))
    yield _ttl_unit(table, Check("ttl-seconds", subject))
    yield _capacity(table, Check("capacity", subject))
    yield _regions(table, Check("global-table", subject))


def _unreadable(table: Unread, check: Check) -> Finding:
    if not table.absent:
        return check.unknown(table)
    return check.wrong(
        "there is no such table in this account and region",
        "no event can be claimed, so none is processed",
        f"cxone-idem create-table, or set {variable('table')}",
    )


def _key(table: Table, config: Config, check: Check) -> Finding:
    if table.keys == ((config.partition_key, "HASH", "S"),):
        return check.ok(f"its key is {config.partition_key} (text) alone")
    found = ", ".join(f"{name} ({kind}, {type_})" for name, kind, type_ in table.keys)
    return check.wrong(
        f"its key is {found}; expected {config.partition_key} (HASH, S) alone",
        "DynamoDB rejects every write, so no event is processed",
        f"use a table with one text key, or set {variable('partition_key')}",
    )


def _ttl(table: Table, config: Config, check: Check) -> Finding:
    found = table.ttl_attribute
    if table.consistency == "STRONG":
        return check.advice(
            "a global table with strong consistency has no TTL",
            "records whose retention is past count as absent but stay, and the table grows",
            "delete, now and then, what is well past its retention: see examples/stores/sweep.py",
        )
    if isinstance(found, Unread):
        return check.unknown(found)
    if found == config.ttl_attribute:
        return check.ok(f"on for {found}")
    return check.wrong(
        f"on for {found}, and records have {config.ttl_attribute}" if found else "off",
        "no record is ever deleted, so the table grows for good",
        f"switch TTL on for {config.ttl_attribute}, or set {variable('ttl_attribute')}",
    )


def _ttl_unit(table: Table, check: Check) -> Finding:
    if isinstance(table.ttl_values, Unread):
        return check.unknown(table.ttl_values)
    wrong = [value for value in table.ttl_values if not _is_seconds(value)]
    if not wrong:
        return check.ok(f"{len(table.ttl_values)} items looked at")
    return check.wrong(
        f"{len(wrong)} of {len(table.ttl_values)} items looked at hold no epoch seconds there",
        "milliseconds read as a time thousands of years ahead, and a text as none: such an item is"
        " never deleted, and its key counts as done for good",
        "have their writer store whole seconds as a number, and correct or delete those items",
    )


def _is_seconds(value: Mapping[str, Any]) -> bool:
    try:
        return float(value["N"]) < _MILLISECONDS_FROM
    except (KeyError, ValueError):
        return False


def _capacity(table: Table, check: Check) -> Finding:
    if table.write_units is None:
        return check.ok("on-demand")
    events = table.write_units / _UNITS_AN_EVENT
    return check.advice(
        f"provisioned, {table.write_units} write units a second: {events:g} new events a second",
        "beyond that DynamoDB throttles, and messages come back until some reach the dead-letter"
        " queue",
        "switch to on-demand, or see that this is well above your peak",
    )


def _regions(table: Table, check: Check) -> Finding:
    if isinstance(table.consistency, Unread):
        return check.unknown(table.consistency)
    if table.consistency is None:
        return check.ok("in one Region")
    if table.consistency == "STRONG":
        return check.ok("a global table with strong consistency: conditions hold in all Regions")
    return check.advice(
        "a global table with eventual consistency (MREC)",
        "a condition is judged in its own Region: two Regions that get the same event both do it",
        "consume each event in one Region, or use a table with strong consistency (MRSC)",
    )
