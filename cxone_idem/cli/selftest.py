"""`selftest`: plays the contract on the deployed table, with the caller's own credentials."""

from __future__ import annotations

import time

import click

from cxone_idem.cli.contract import Contract, Step
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
    """Play the contract on the table: claims, batches, takeover, transaction, TTL, clock.

    In keys and a namespace of its own, which expire within the hour; it deletes nothing. Ends with
    FOUND, and the fix, if the table or the permissions do not do what the library needs.
    """
    contract = Contract(Config.from_environ(), create_client())
    results = [_play(step) for step in progress(contract.steps(), "steps")]
    rows = [[str(result[column]) for column in _COLUMNS] for result in results]
    print_result(results, _COLUMNS, rows, as_json=as_json)
    for result in results:
        if result["result"] != "ok":
            print_status(f"{result['step']}: {result['seen']}; fix: {result['fix']}")
    print_status(f"namespace {contract.config.namespace!r}; its items expire within the hour")
    if any(result["code"] == "ResourceNotFoundException" for result in results):
        return Exit.NOT_FOUND
    return Exit.OK if all(result["result"] == "ok" for result in results) else Exit.FOUND


def _play(step: Step) -> dict[str, object]:
    """Return what a step saw; whatever it raises is seen, as the next steps may still work."""
    code, started = "", time.monotonic()
    try:
        seen = step.see()
    except Exception as error:  # noqa: BLE001 -- the SDK's errors too
        seen, code = (
            " ".join(str(error).split()),
            (isinstance(error, StoreError) and error.code) or "",
        )
    ms = round(1000 * (time.monotonic() - started))
    result = "ok" if seen == step.expected else "WRONG"
    texts = {"step": step.name, "expected": step.expected, "seen": seen, "fix": step.fix}
    return {**texts, "ms": ms, "result": result, "code": code}
