"""`cxone-idem selftest`: right on every engine, and each fault is found, with its fix."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem.cli.contract import Contract
from cxone_idem.cli.output import Exit
from cxone_idem.errors import StoreError
from cxone_idem.stores.dynamodb import create_client
from tests.support.aws_answers import refusal
from tests.support.command import Said, run
from tests.support.engines import strip_items

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def call(items: Any) -> Callable[..., Said]:
    """Return what runs the self-test on a fresh table of each engine, TTL on."""
    items.client.update_time_to_live(
        TableName=items.name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
    )

    def run_here(*arguments: str, **environ: str) -> Said:
        settings = {"CXONE_IDEM_TABLE": items.name, **environ}
        if items.endpoint:
            settings["AWS_ENDPOINT_URL_DYNAMODB"] = items.endpoint
        return run(["selftest", *arguments], **settings)

    return run_here


def wrong(said: Said) -> dict[str, str]:
    """Return what was seen of each step that is not as expected.

    moto has no conditions in PartiQL: there each write is a request of its own, which is said so.
    """
    found = {each["step"]: each["seen"] for each in said.data if each["result"] != "ok"}
    moto = {"batch of claims": "3 claimed, 4 request", "batch of completions": "3 done, 3 request"}
    return {step: seen for step, seen in found.items() if moto.get(step) != seen}


def test_every_engine_keeps_the_contract(items: Any, call: Callable[..., Said]) -> None:
    """Each step as expected; all it wrote is its own, is stored still, and expires in time."""
    said = call("--json")
    assert wrong(said) == {}
    assert said.exit is (Exit.OK if "races" in items.capabilities else Exit.FOUND)
    stored = items.client.scan(TableName=items.name)["Items"]
    assert len(stored) == 9
    for item in stored:
        assert item["id"]["S"].startswith("selftest-")
        assert time.time() < int(item["expires_at"]["N"]) < time.time() + 3600


def test_it_is_a_table_of_expected_seen_and_round_trip(call: Callable[..., Said]) -> None:
    """On stdout; where it wrote, on stderr."""
    said = call()
    head, *rows = [line.split("\t") for line in said.out.splitlines()]
    assert head == ["step", "expected", "seen", "ms", "result"]
    assert len(rows) == 13
    seen = [(row[1], row[2].partition("; ")[0], row[4]) for row in rows]
    assert all((expected == found) == (result == "ok") for expected, found, result in seen)
    assert all(int(row[3]) >= 0 for row in rows)
    assert "its items expire within the hour" in said.err


def test_it_shows_whether_a_batch_is_refused_with_the_record(
    items: Any, call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB was seen to answer either way; the library copes with both."""

    def untelling_client() -> Any:
        client = create_client()
        client.meta.events.register_first("after-call.dynamodb.BatchExecuteStatement", strip_items)
        return client

    def refused() -> dict[str, Any]:
        return next(each for each in call("--json").data if each["step"] == "refused batch")

    told = refused()
    monkeypatch.setattr("cxone_idem.cli.selftest.create_client", untelling_client)
    untold = refused()
    assert told["result"] == untold["result"] == "ok"
    assert untold["seen"] == "3 in progress for event-1; refused without the record"
    if "races" in items.capabilities:
        assert told["seen"] == "3 in progress for event-1; refused with the record"


def test_a_table_without_ttl_is_found_with_the_fix(items: Any, call: Callable[..., Said]) -> None:
    """The fault, and nothing else."""
    said = call("--json", CXONE_IDEM_TTL_ATTRIBUTE="ttl")
    assert said.exit is Exit.FOUND
    assert wrong(said) == {"TTL": "on for expires_at"}
    assert "cxone-idem create-table" in said.err
    assert "without TTL its items stay" in said.err
    assert items.name


def test_a_table_that_is_not_there_is_named(call: Callable[..., Said]) -> None:
    """One line and no row, as no step can be played."""
    said = call("--table", "not-there")
    assert (said.exit, said.out) == (Exit.NOT_FOUND, "")
    (line,) = said.err.splitlines()
    assert "no such table" in line


def test_an_endpoint_out_of_reach_fails_at_once() -> None:
    """With one line, and without 13 time-outs."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        endpoint = f"http://127.0.0.1:{hung.getsockname()[1]}"
        started = time.monotonic()
        said = run(["selftest"], AWS_ENDPOINT_URL_DYNAMODB=endpoint)
        assert time.monotonic() - started < 10
    assert (said.exit, said.out) == (Exit.FAILED, "")
    (line,) = said.err.splitlines()
    assert "could not be reached" in line


def test_a_table_that_goes_away_ends_it(
    call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle too: no later step could be played."""

    def gone(_: Contract) -> str:
        problem = "there is no such table"
        raise StoreError(problem, "t", "PutItem", "ResourceNotFoundException", retryable=False)

    monkeypatch.setattr(Contract, "_complete", gone)
    said = call()
    assert (said.exit, said.out) == (Exit.NOT_FOUND, "")


def test_a_clock_that_is_wrong_is_found(
    call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the date of the answer."""
    now = time.time
    monkeypatch.setattr("cxone_idem.cli.contract.time.time", lambda: now() + 60)
    found = wrong(call("--json"))
    assert "s off" in found["clock"]


@pytest.mark.parametrize(("operation", "step"), [("GetItem", "reading"), ("PutItem", "claim")])
def test_what_is_denied_is_named(
    call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, operation: str, step: str
) -> None:
    """The permission is in the fix, and the other steps are played all the same."""

    def denied_client() -> Any:
        client = create_client()
        client.meta.events.register_first(
            f"before-send.dynamodb.{operation}",
            lambda request, **_: refusal(request, "AccessDeniedException"),
        )
        return client

    monkeypatch.setattr("cxone_idem.cli.selftest.create_client", denied_client)
    said = call("--json")
    found = wrong(said)
    assert step in found
    assert "TTL" not in found
    assert not any("attribute" in seen for seen in found.values())
    assert f"allow dynamodb:{operation}" in said.err
    assert said.exit is Exit.FOUND
