"""The kit for users' tests: its example passes on a good consumer and fails on a broken one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import cxone_idem
from cxone_idem import AlreadyDone, Config, ConfigError, Deduplicator, InProgressError, StoreError
from cxone_idem.testing.rehearsal import Rehearsal, RehearsalStore
from tests.support.documents import ROOT, code_blocks

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / "examples" / "testing" / "test_your_consumer.py"
CONSUMER = (ROOT / "examples" / "sqs_lambda" / "handler.py").read_text()

CALL = "return deduplicator.process_batch(event, process_event, context=context)"
BROKEN = {
    "drops its claim check": """import json
    for record in event["Records"]:
        process_event(json.loads(record["body"]))
    return {"batchItemFailures": []}""",
    "does not return the response": f"""{CALL.removeprefix("return ")}
    return {{"batchItemFailures": []}}""",
    "swallows what fails": """from contextlib import suppress
    def careless(one):
        with suppress(Exception):
            process_event(one)
    return deduplicator.process_batch(event, careless, context=context)""",
}


def run_example(home: Path, consumer: str) -> subprocess.CompletedProcess[str]:
    """Run the documented example as a user would, against a consumer of that text."""
    for folder, name, text in (
        ("sqs_lambda", "handler.py", consumer),
        ("testing", EXAMPLE.name, EXAMPLE.read_text()),
    ):
        (home / "examples" / folder).mkdir(parents=True)
        (home / "examples" / folder / name).write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples"],
        cwd=home,
        # Neither a region nor credentials: nothing of it may reach for AWS.
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{home}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_documented_example_passes(tmp_path: Path) -> None:
    """On the consumer it is written for, without AWS settings of any kind."""
    done = run_example(tmp_path, CONSUMER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


@pytest.mark.parametrize("mistake", BROKEN)
def test_the_documented_example_fails_on_a_broken_consumer(tmp_path: Path, mistake: str) -> None:
    """Each mistake a consumer can make fails some test of it, and all of them run."""
    assert CONSUMER.count(CALL) == 1
    done = run_example(tmp_path, CONSUMER.replace(CALL, BROKEN[mistake]))
    assert done.returncode == 1, done.stdout + done.stderr
    assert " failed" in done.stdout
    if mistake == "drops its claim check":
        assert (
            "FAILED examples/testing/test_your_consumer.py::test_a_duplicate_has_no_effect"
            in done.stdout
        )


def test_readmes_test_passes_and_can_fail() -> None:
    """The block is a test of a consumer; one that forgets its key fails it."""
    (block,) = code_blocks("Testing your consumer")
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 -- README's own code
    (test,) = (thing for name, thing in names.items() if name.startswith("test_"))
    test()
    forgetful = block.replace("Rehearsal()", "Rehearsal(Config(disabled=True))")
    names = {"Config": Config}
    exec(forgetful, names)  # noqa: S102 -- as above
    with pytest.raises(AssertionError):
        names[test.__name__]()


def test_a_rehearsal_serves_the_module_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cxone_idem.claim` and `from_environ` work on it inside, and are their own again outside."""
    monkeypatch.setenv("CXONE_IDEM_LEASE_SECONDS", "wrong")
    rehearsal = Rehearsal()
    with rehearsal.serving():
        assert Deduplicator.from_environ() is rehearsal.deduplicator
        assert cxone_idem.claim("k")
        cxone_idem.complete("k")
    assert isinstance(rehearsal.deduplicator.claim("k"), AlreadyDone)
    assert Deduplicator.from_environ({"CXONE_IDEM_DISABLED": "true"}) is not rehearsal.deduplicator
    with pytest.raises(ConfigError):
        cxone_idem.claim("k")


def test_leases_lapse_to_the_last() -> None:
    """Whoever held a key, under whatever lease, holds it no more; a clock is never set back."""
    rehearsal = Rehearsal(Config(lease_seconds=3600))
    rehearsal.hold_elsewhere("k")
    rehearsal.hold_elsewhere("l").extend()
    rehearsal.let_leases_lapse()
    assert rehearsal.hold_elsewhere("k").generation == 2
    assert rehearsal.hold_elsewhere("l").generation == 2
    rehearsal.clock.advance(1_000_000)
    before = rehearsal.clock()
    rehearsal.let_leases_lapse()
    assert rehearsal.clock() == before


def test_what_is_done_cannot_be_held_elsewhere() -> None:
    """A story that cannot be is an error."""
    rehearsal = Rehearsal()
    rehearsal.hold_elsewhere("k").complete()
    with pytest.raises(ValueError, match="done already"):
        rehearsal.hold_elsewhere("k")


def test_a_wait_takes_no_time() -> None:
    """A rehearsed consumer that waits for another worker moves the clock instead."""
    rehearsal = Rehearsal(Config(wait_seconds=60))
    rehearsal.hold_elsewhere("k")
    began = rehearsal.clock()
    with pytest.raises(InProgressError):
        rehearsal.deduplicator.claim("k")
    assert rehearsal.clock() - began == pytest.approx(60)


def test_an_answer_that_never_comes_is_an_error() -> None:
    """It tells that the write may have happened, and it did."""
    store = RehearsalStore()
    claim = Deduplicator(store).claim("k")
    assert claim
    store.lose_answers(retried=False)
    with pytest.raises(StoreError) as caught:
        claim.complete()
    assert caught.value.outcome_unknown
    assert not Deduplicator(store).claim("k")
    assert store.requests == 3
