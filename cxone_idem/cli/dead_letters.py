"""`dead-letters`: list them with their records, drop what is done, send back the rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from cxone_idem.cli.functions import decode_option
from cxone_idem.cli.options import mention_no_namespace, on_records
from cxone_idem.cli.output import (
    format_time,
    json_option,
    print_result,
    print_status,
    progress,
)
from cxone_idem.config import Config
from cxone_idem.sqs.dead_letters import DeadLetter, DeadLetters, Verdict
from cxone_idem.sqs.queue import create_sqs_client, open_queue
from cxone_idem.stores.dynamodb_admin import RecordReader
from cxone_idem.text import counted

_COLUMNS = ("message", "sent", "key", "record", "verdict", "reason")
_DONE_BY = {Verdict.DROP: "dropped", Verdict.SEND_BACK: "sent back"}


@click.command("dead-letters")
@click.option("--queue", required=True, metavar="NAME|URL", help="The dead-letter queue.")
@click.option("--drop-done", is_flag=True, help="Delete the messages whose key is done.")
@click.option("--send-back", is_flag=True, help="Send the others back, then delete them here.")
@click.option("--to", metavar="NAME|URL", help="Where to [default: where each one came from].")
@decode_option
@click.option("--dry-run", is_flag=True, help="List only, whatever else is asked for.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@on_records
def dead_letters(
    queue: str, to: str | None, *, dry_run: bool, yes: bool, as_json: bool, **settle: Any
) -> None:
    """List dead letters with the records of their keys.

    Nothing is lost at any point. Settings and --decode must be the consumer's.
    """
    config = Config.from_environ()
    mention_no_namespace(config)
    # A person waits, so a busy queue may take a few seconds.
    client = create_sqs_client(attempts=3, answer_seconds=10)
    opened = open_queue(client, queue)
    target = None if to is None else open_queue(client, to)
    if target and target.url == opened.url:
        message = "it is the dead-letter queue itself"
        raise click.BadParameter(message, param_hint="--to")
    print_status(f"records: table {config.table!r}, namespace {config.namespace!r}")
    asked = {Verdict.DROP: settle["drop_done"], Verdict.SEND_BACK: settle["send_back"]}
    verdicts = [verdict for verdict, wanted in asked.items() if wanted and not dry_run]
    if verdicts and not yes:
        what = " and ".join(verdict.value for verdict in verdicts)
        click.confirm(f"Judge each message of {queue} afresh, and {what}?", abort=True, err=True)
    walker = DeadLetters(opened, RecordReader(config), config, target, settle["decode"])
    letters: list[DeadLetter] = []
    try:
        letters.extend(progress(walker.walk(*verdicts), "messages"))
    finally:  # what was settled is printed even if an error ends it
        data, rows = [_data(each) for each in letters], [_row(each) for each in letters]
        print_result(data, _COLUMNS, rows, as_json=as_json)
    acted, count = sum(letter.acted for letter in letters), len(letters)
    done = f"{acted} dropped or sent back, {count - acted} left there"
    print_status(f"{counted(count, 'message')}: {done}")


def _row(letter: DeadLetter) -> tuple[str, ...]:
    return (
        letter.message_id,
        "" if letter.sent_at_ms is None else format_time(letter.sent_at_ms),
        letter.key or "",
        letter.record.state.value if letter.record else "",
        _DONE_BY[letter.verdict] if letter.acted else letter.verdict.value,
        letter.reason,
    )


def _data(letter: DeadLetter) -> dict[str, Any]:
    names = ("message_id", "sent_at_ms", "key", "reason", "acted")
    record = asdict(letter.record) if letter.record else None
    known = {name: getattr(letter, name) for name in names}
    return {**known, "verdict": letter.verdict.value, "record": record}
