"""README's ways to run an event again, and to test a consumer against moto."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, MemoryStore
from cxone_idem.testing.events import eventbridge_event, sqs_event, sqs_record
from cxone_idem.testing.rehearsal import Rehearsal
from tests.support.documents import ROOT, code_blocks
from tests.support.events import failed

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a1b2c3d4-5678-90ab-cdef-1234567890ab"


def test_readmes_forgetting_lets_the_event_run_again() -> None:
    """Done, forgotten, done again."""
    (block,) = code_blocks("Run an event again")
    rehearsal = Rehearsal()
    claim = rehearsal.deduplicator.claim(KEY)
    assert claim
    claim.complete()
    with rehearsal.serving():
        exec(block, {})  # noqa: S102 -- README's own code
    assert rehearsal.deduplicator.claim(KEY)


@pytest.mark.parametrize("has_key", [True, False], ids=["IdempotencyKey", "id"])
def test_readmes_key_has_each_replay_do_its_events_once(*, has_key: bool) -> None:
    """Live, each replay of its own name, and a duplicate of each."""
    (block,) = code_blocks("Replays of an archive", "text")
    name, _, expression = block.strip().partition("=")
    deduplicator = Deduplicator(MemoryStore(), Config.from_environ({name: expression}))
    ran: list[Any] = []
    for replay in (None, "first", "second"):
        for copy in range(2):
            event = eventbridge_event("k" if has_key else None, id="e")
            if replay:
                event["replay-name"] = replay
            record = sqs_record(f"{replay}-{copy}", event)
            assert failed(deduplicator.process_batch(sqs_event(record), ran.append)) == []
    assert [event.get("replay-name") for event in ran] == [None, "first", "second"]


SUITE = """
import pytest
import consumer
from cxone_idem.testing import FakeContext, failed_ids, sqs_event_of


@pytest.mark.parametrize("number", range(2))
def test_an_event_is_done_once(number, capsys, table):
    for _ in range(2):
        response = consumer.handler(sqs_event_of("k"), FakeContext())
        assert failed_ids(response) == []
    assert capsys.readouterr().out.count("starting") == 1
    assert len(table.scan(TableName="cxone-idem")["Items"]) == 1


def test_a_batch_says_calmly_that_moto_has_none(caplog):
    caplog.set_level("INFO", "cxone_idem")
    for _ in range(2):
        assert failed_ids(consumer.handler(sqs_event_of("k", "l", "m"), FakeContext())) == []
    (line,) = [one for one in caplog.records if "no batch writes" in one.message]
    assert line.levelname == "INFO"
    assert "role" not in line.message
"""


def run_suite(home: Path, conftest: str) -> subprocess.CompletedProcess[str]:
    """Run a user's test suite: README's consumer, made at import, and two tests of one event."""
    (home / "conftest.py").write_text(conftest)
    (home / "consumer.py").write_text(code_blocks("Ten lines")[0])
    (home / "test_consumer.py").write_text(SUITE)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=home,
        # Neither a region nor credentials: the fixture brings its own.
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_readmes_moto_fixture_works_as_it_is(tmp_path: Path) -> None:
    """A fresh table for each test is a fresh start."""
    (block,) = code_blocks("Against moto")
    done = run_suite(tmp_path, block)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_a_process_that_remembers_fails_the_second_test(tmp_path: Path) -> None:
    """Control: what README says of the setting is so."""
    (block,) = code_blocks("Against moto")
    setting = '    CXONE_IDEM_REMEMBER_SECONDS="0",\n'
    assert block.count(setting) == 1
    done = run_suite(tmp_path, block.replace(setting, ""))
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
