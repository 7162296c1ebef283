"""`dead-letters`: list them with their records, drop what is done, send back the rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cxone_idem.cli.functions import decode_option, imported
from cxone_idem.cli.output import (
    Exit,
    format_time,
    json_option,
    print_json,
    print_status,
    print_table,
)
from cxone_idem.config import Config
from cxone_idem.sqs.dead_letters import DeadLetter, DeadLetters, Verdict
from cxone_idem.sqs.queue import create_sqs_client, open_queue
from cxone_idem.stores.dynamodb_admin import RecordReader

if TYPE_CHECKING:
    from collections.abc import Sequence

# A person waits, so a busy queue may take a few seconds.
_ATTEMPTS = 3
_ANSWER_SECONDS = 10

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
@click.pass_context
def dead_letters(  # noqa: PLR0913 -- one for each option
    ctx: click.Context,
    queue: str,
    to: str | None,
    decode: str | None,
    *,
    drop_done: bool,
    send_back: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """List the messages of a dead-letter queue with the records of their keys.

    That is all, unless --drop-done or --send-back says more: a look changes nothing but the
    receive counts, and hides the messages only while it goes on. The record decides when a message
    is acted on, not when it was listed. A message is sent before it is deleted, so whatever happens
    half way, nothing is lost; one that is there twice is deduplicated by its key.

    The messages' keys are looked up in the table and namespace of the settings: they must be those
    of the consumer, and so must --decode.
    """
    config = Config.from_environ()
    decoding = imported(decode, "--decode") if decode else None
    client = create_sqs_client(attempts=_ATTEMPTS, answer_seconds=_ANSWER_SECONDS)
    opened = open_queue(client, queue)
    target = None if to is None else open_queue(client, to)
    if target is not None and target.url == opened.url:
        message = "it is the dead-letter queue itself"
        raise click.BadParameter(message, param_hint="--to")
    print_status(f"records: table {config.table!r}, namespace {config.namespace!r}")
    verdicts = [] if dry_run else [Verdict.DROP] * drop_done + [Verdict.SEND_BACK] * send_back
    if verdicts and not yes:
        what = " and ".join(verdict.value for verdict in verdicts)
        click.confirm(f"Judge each message of {queue} afresh, and {what}?", abort=True, err=True)
    letters = DeadLetters(opened, RecordReader(config), config, target, decoding)
    _settle(letters, verdicts, as_json=as_json)
    ctx.exit(Exit.OK)


def _settle(walker: DeadLetters, verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    """Carry out the verdicts; print what was settled, even if it ends with an error."""
    letters: list[DeadLetter] = []
    try:
        letters.extend(walker.walk(*verdicts))
    finally:
        _print(letters, as_json=as_json)
    acted = sum(letter.acted for letter in letters)
    print_status(
        f"{len(letters)} messages, {acted} of them settled, {len(letters) - acted} left there"
    )


def _print(letters: Sequence[DeadLetter], *, as_json: bool) -> None:
    if as_json:
        print_json([_data(letter) for letter in letters])
        return
    rows = [
        (
            letter.message_id,
            format_time(letter.sent_at_ms) if letter.sent_at_ms is not None else "",
            letter.key or "",
            letter.record.state.value if letter.record else "",
            _DONE_BY[letter.verdict] if letter.acted else letter.verdict.value,
            letter.reason,
        )
        for letter in letters
    ]
    print_table(("message", "sent", "key", "record", "verdict", "reason"), rows)


def _data(letter: DeadLetter) -> dict[str, Any]:
    return {
        "message_id": letter.message_id,
        "sent_at_ms": letter.sent_at_ms,
        "key": letter.key,
        "verdict": letter.verdict.value,
        "reason": letter.reason,
        "acted": letter.acted,
        "record": asdict(letter.record) if letter.record else None,
    }
