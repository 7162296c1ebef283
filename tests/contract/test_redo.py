"""`cxone-idem redo`: it asks, frees what is done, and leaves all else alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, Origin
from cxone_idem.cli.output import Exit
from cxone_idem.stores.dynamodb_admin import RecordReader
from tests.support.command import Said, run

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def call(items: Any) -> Callable[..., Said]:
    """Return what runs the command on a fresh table of each engine."""

    def run_here(*arguments: str, typed: str = "", **environ: str) -> Said:
        settings = {"CXONE_IDEM_TABLE": items.name, **environ}
        if items.endpoint:
            settings["AWS_ENDPOINT_URL_DYNAMODB"] = items.endpoint
        return run(["redo", *arguments], typed, **settings)

    return run_here


def deduplicator(table: Any) -> Deduplicator:
    """Return a consumer on a table."""
    return Deduplicator(table.store(), Config(table=table.name, max_attempts=1))


def do(table: Any, *keys: str) -> None:
    """Have the work of keys done."""
    for key in keys:
        claim = deduplicator(table).claim(key, origin=Origin(event_id=f"event-{key}"))
        assert claim
        claim.complete()


def test_it_asks_and_frees_what_is_done(items: Any, call: Callable[..., Said]) -> None:
    """It tells whose delivery did it, and how long processes may still remember it."""
    do(items, "k")
    said = call("k", typed="y\n")
    assert (said.exit, said.out) == (Exit.OK, "")
    assert "for EventBridge event event-k" in said.err
    assert "up to 60 s more (CXONE_IDEM_REMEMBER_SECONDS)" in said.err
    assert items.item("k")["state"] == {"S": "RELEASED"}
    again = deduplicator(items).claim("k")
    assert again
    assert again.generation == 2


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_it_does_nothing_unless_told(items: Any, call: Callable[..., Said], typed: str) -> None:
    """No, nothing, and nobody there to answer are all no."""
    do(items, "k")
    before = items.item("k")
    assert call("k", typed=typed).exit is Exit.REFUSED
    assert items.item("k") == before


def test_each_key_has_its_own_answer(items: Any, call: Callable[..., Said]) -> None:
    """One that is not there or not to be freed stops no other; the worst code is the command's."""
    do(items, "a", "b", "c")
    said = call("a", "absent", "b", "c", typed="y\nn\ny\n")
    assert said.exit is Exit.REFUSED
    states = [items.item(key)["state"]["S"] for key in "abc"]
    assert states == ["RELEASED", "DONE", "RELEASED"]
    assert call("absent", "b", "--yes").exit is Exit.NOT_FOUND
    assert items.item("b")["state"] == {"S": "RELEASED"}
    assert items.item("absent") is None


def test_what_is_free_or_at_work_is_left_alone(items: Any, call: Callable[..., Said]) -> None:
    """Released or past its retention: nothing to do. In progress: refused, whatever is typed."""
    assert deduplicator(items).claim("busy")
    claim = deduplicator(items).claim("released")
    assert claim
    claim.release()
    items.put_raw({"id": {"S": "old"}, "expires_at": {"N": "5"}})
    for key, code, words in (
        ("busy", Exit.REFUSED, "a worker has the key"),
        ("released", Exit.OK, "free already"),
        ("old", Exit.OK, "free already"),
    ):
        before = items.item(key)
        said = call(key, "--yes")
        assert said.exit is code
        assert words in said.err
        assert items.item(key) == before


def test_a_worker_that_takes_it_meanwhile_keeps_it(
    items: Any, call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else frees the key and claims it while the question is open."""
    do(items, "k")
    get = RecordReader.get

    def get_then_lose(self: RecordReader, partition_key: str) -> Any:
        seen = get(self, partition_key)
        deduplicator(items).forget("k")
        assert deduplicator(items).claim("k")
        return seen

    monkeypatch.setattr(RecordReader, "get", get_then_lose)
    assert call("k", "--yes").exit is Exit.REFUSED
    assert items.item("k")["state"] == {"S": "IN_PROGRESS"}


def test_the_consumers_kill_switch_is_not_the_commands(
    items: Any, call: Callable[..., Said]
) -> None:
    """With it in the environment the record is written all the same."""
    do(items, "k")
    settings = {"CXONE_IDEM_DISABLED": "true", "CXONE_IDEM_REMEMBER_SECONDS": "0"}
    said = call("k", "--yes", **settings)
    assert said.exit is Exit.OK
    assert "CXONE_IDEM_REMEMBER_SECONDS" not in said.err
    assert items.item("k")["state"] == {"S": "RELEASED"}


def test_the_namespace_is_put_before_the_key(items: Any, call: Callable[..., Said]) -> None:
    """As by every command."""
    config = Config(table=items.name, namespace="mine")
    consumer = Deduplicator(items.store(), config)
    consumer.claim("k")
    consumer.complete("k")
    assert call("k", "--yes").exit is Exit.NOT_FOUND
    assert call("k", "--yes", CXONE_IDEM_NAMESPACE="mine").exit is Exit.OK
    assert Deduplicator(items.store(), config).claim("k")


def test_a_functions_settings_go_before_the_operators(
    items: Any, call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them: its processes remember the key, and its retention is that of the record."""
    do(items, "k")
    config = Config(table=items.name, remember_seconds=600, retention_seconds=7200)
    monkeypatch.setattr("cxone_idem.cli.options.read_config", lambda *_: config)
    mine = {"CXONE_IDEM_REMEMBER_SECONDS": "1", "CXONE_IDEM_RETENTION_SECONDS": "60"}
    said = call("k", "--yes", "--function", "f", **mine, CXONE_IDEM_METRICS="mine")
    assert said.exit is Exit.OK
    assert "up to 10 min more" in said.err
    assert "for EventBridge event event-k" in said.err
    assert int(items.item("k")["expires_at"]["N"]) > time.time() + 3600


def test_a_delivery_that_was_not_recorded_is_said_so(items: Any, call: Callable[..., Said]) -> None:
    """In whole words."""
    claim = deduplicator(items).claim("k")
    assert claim
    claim.complete()
    assert "for a delivery that was not recorded;" in call("k", "--yes").err
