"""`selftest`: plays the contract on the deployed table, with the caller's own credentials."""

from __future__ import annotations

import time

import click

from cxone_idem.cli.contract import NOTE, TTL, Contract, Step, ends_all
from cxone_idem.cli.options import on_records
from cxone_idem.cli.output import Exit, json_option, print_result, print_status, progress
from cxone_idem.config import Config
from cxone_idem.errors import StoreError
from cxone_idem.stores.dynamodb import create_client

_COLUMNS = ("step", "expected", "seen", "ms", "result")


@click.command()
@json_option
@on_records
def selftest(*, as_json: bool) -> Exit:
    """Try on your table all that the library relies on.

    Claims, batches, takeover, transaction, TTL and clock, in keys and a namespace of its own; it
    deletes nothing. Exit code 5 (FOUND), and the fix, if the table or the permissions do not do
    what the library needs.
    """
    contract = Contract(Config.from_environ(), create_client())
    contract.reach()
    results = [_play(step) for step in progress(contract.steps(), "steps")]
    rows = [[str(result[column]) for column in _COLUMNS] for result in results]
    print_result(results, _COLUMNS, rows, as_json=as_json)
    for result in results:
        if result["result"] != "ok":
            print_status(f"{result['step']}: {result['seen']}; fix: {result['fix']}")
    if contract.wrote:
        ttl_on = any(each["step"] == TTL and each["result"] == "ok" for each in results)
        ends = "its items expire within the hour" if ttl_on else "without TTL its items stay"
        print_status(f"namespace {contract.config.namespace!r}; {ends}")
    return Exit.OK if all(result["result"] == "ok" for result in results) else Exit.FOUND


def _play(step: Step) -> dict[str, object]:
    """Return what a step saw; whatever it raises is seen, as the next steps may still work.

    Raises `StoreError` if they cannot, as the table is gone or out of reach.
    """
    started = time.monotonic()
    try:
        seen = step.see()
    except Exception as error:
        if isinstance(error, StoreError) and ends_all(error):
            raise
        seen = " ".join(str(error).split())
    ms = round(1000 * (time.monotonic() - started))
    result = "ok" if seen.partition(NOTE)[0] == step.expected else "WRONG"
    texts = {"step": step.name, "expected": step.expected, "seen": seen, "fix": step.fix}
    return {**texts, "ms": ms, "result": result}
