"""`show`, `release` and `redo`: a key's record, given up for a dead worker, or made free again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict

import click

from cxone_idem.cli.options import mention_no_namespace, on_records
from cxone_idem.cli.output import (
    Exit,
    describe,
    duration,
    json_option,
    origin,
    print_result,
    print_status,
    refuse,
)
from cxone_idem.config import Config
from cxone_idem.deduplicator import Deduplicator
from cxone_idem.errors import ClaimLostError, InProgressError, KeyMissingError, StoreError
from cxone_idem.events.key import checked_key
from cxone_idem.protocol.decisions import is_lease_over, is_past_retention
from cxone_idem.record import Record, State, partition_key
from cxone_idem.setting import variable
from cxone_idem.stores.dynamodb_admin import RecordReader
from cxone_idem.stores.dynamodb_item import ForeignItemError
from cxone_idem.text import quoted

_FREE = "it is free already: its next delivery does the work"


@click.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@json_option
@on_records
def show(keys: tuple[str, ...], *, as_json: bool) -> int:
    """Show the record of each KEY: its state, owner and lease.

    KEY is what CXONE_IDEM_KEY finds in the event; the namespace is put before it. Reads the table
    (dynamodb:GetItem) and changes nothing. JSON is one object a key.
    """
    return _of_each(keys, lambda key: _show(key, as_json=as_json))


def _show(key: str, *, as_json: bool) -> Exit:
    table = Config.from_environ().table
    record, now_ms = _load(key)
    in_progress, done = record.state is State.IN_PROGRESS, record.state is State.DONE
    judged = {
        "lease_over": in_progress and is_lease_over(record, now_ms),
        "past_retention": done and is_past_retention(record, now_ms),
    }
    data = {"table": table, "store_time_ms": now_ms, **judged, **asdict(record)}
    rows = [("table", table), *describe(record, now_ms)]
    print_result(data, ("what", "value"), rows, as_json=as_json)
    return Exit.OK


@click.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask, where releasing is safe.")
@on_records
def release(key: str, *, yes: bool) -> None:
    """Release KEY, so that its next delivery does the work.

    It asks first; --yes skips that if the lease is over. While the lease runs, the work could be
    done twice: then only a person can release it, by typing the key. What is done is never
    released.
    """
    deduplicator = _deduplicator()
    record, now_ms = _load(key)
    done = record.state is State.DONE
    if record.state is State.RELEASED or (done and is_past_retention(record, now_ms)):
        print_status(_FREE)
        return
    if done:
        refuse("the work is done, and releasing the key would have it done again")
    _confirm_release(key, record, now_ms, yes=yes)
    try:
        deduplicator.claims.release_record(key, record)
    except ClaimLostError:
        refuse("the record changed in the meantime, so nothing was written; look again")
    print_status("released: the next delivery does the work")


@click.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_records
def redo(keys: tuple[str, ...], *, yes: bool) -> int:
    """Free each KEY that is done, so that its event can run again. Asks first.

    Then send or redrive the event, once no process remembers the key as done:
    CXONE_IDEM_REMEMBER_SECONDS after this. A key that a worker has is refused.
    """
    deduplicator = _deduplicator()
    return _of_each(keys, lambda key: _redo(key, deduplicator, yes=yes))


def _of_each(keys: Iterable[str], run: Callable[[str], int]) -> int:
    """Run for each key, also after one that cannot be; return the highest exit code."""
    codes: list[int] = []
    for key in keys:
        try:
            codes.append(run(key))
        except click.exceptions.Exit as ended:
            codes.append(ended.exit_code)
        except (KeyMissingError, StoreError) as error:
            if isinstance(error, StoreError) and not isinstance(error.__cause__, ForeignItemError):
                raise
            print_status(f"error: {error}")
            codes.append(Exit.FAILED)
    return max(codes)


def _deduplicator() -> Deduplicator:
    """Return one whose kill switch is off: it is the consumer's, and nothing would be written."""
    return Deduplicator.from_environ({**os.environ, variable("disabled"): "false"})


def _load(key: str) -> tuple[Record, int]:
    """Return a key's record and the store's time in ms; if there is none, end with `NOT_FOUND`."""
    config = Config.from_environ()
    name = partition_key(config.namespace, checked_key(key))
    record, date_seconds = RecordReader(config).get(name)
    if record is None:
        print_status(f"no record at {quoted(name)} in table {config.table!r}")
        mention_no_namespace(config)
        raise click.exceptions.Exit(Exit.NOT_FOUND)
    return record, int((time.time() if date_seconds is None else date_seconds) * 1000)


def _confirm_release(key: str, record: Record, now_ms: int, *, yes: bool) -> None:
    """Ask before a release; refuse `--yes` while the lease runs."""
    time_left = duration(record.lease_until_ms - now_ms)
    owner = f"(claimed for {origin(record.origin)})"
    if is_lease_over(record, now_ms):
        print_status(
            f"its lease ended {time_left} ago, so the next delivery takes over in any case;"
            f" once released, a worker that is only late can no longer complete it {owner}"
        )
        if not yes:
            click.confirm("Release it?", abort=True, err=True)
        return
    alive = f"the lease runs for another {time_left} at most, so its worker may be at work {owner}"
    if yes:
        refuse(f"{alive}; without --yes a person can release it")
    print_status(
        f"{alive}. If that worker is alive, THE WORK WILL BE DONE TWICE."
        " Wait for the lease to end, unless you know that the worker is dead."
    )
    if click.prompt("Type the key to say that it is dead", default="", err=True) != key:
        raise click.Abort


def _redo(key: str, deduplicator: Deduplicator, *, yes: bool) -> Exit:
    record, now_ms = _load(key)
    if record.state is not State.DONE or is_past_retention(record, now_ms):
        if record.state is State.IN_PROGRESS and not is_lease_over(record, now_ms):
            refuse(f"a worker has the key {quoted(key)}, so it is not done yet")
        print_status(f"{quoted(key)}: {_FREE}")
        return Exit.OK
    done = "a marker without a time"
    if record.done_at_ms is not None:
        done = f"{duration(now_ms - record.done_at_ms)} ago, for {origin(record.origin)}"
    print_status(f"{quoted(key)} is done: {done}; run again, its effect happens again")
    if not yes and not click.confirm("Make it free to claim?", err=True):
        print_status("not done: the answer was no")
        return Exit.REFUSED
    try:
        deduplicator.forget(key)
    except InProgressError as error:
        refuse(str(error))
    print_status(f"{quoted(key)} is free: its next delivery does the work")
    remember_ms = int(deduplicator.config.remember_seconds * 1000)
    if remember_ms:
        drops = f"a process that saw it done drops its events for up to {duration(remember_ms)}"
        print_status(f"{drops} more (CXONE_IDEM_REMEMBER_SECONDS)")
    return Exit.OK
