"""The examples, run as their reader would run them."""

from __future__ import annotations

import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.dom import minidom

import pytest

from cxone_idem import Claimed, Deduplicator, InProgressError
from cxone_idem.testing.rehearsal import Rehearsal
from examples.demo.__main__ import mistakes
from examples.demo.picture import Run, runs, save
from examples.demo.race import Figures, Takeover, figures, naive
from examples.demo.workers import Entry, Job
from tests.support.engines import require
from tests.support.events import Context, batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def deduplicator() -> Iterator[Deduplicator]:
    """Return what `from_environ` gives to an example imported in this test."""
    rehearsal = Rehearsal()
    with rehearsal.serving():
        yield rehearsal.deduplicator


@pytest.fixture
def sqs_lambda(deduplicator: Deduplicator) -> Iterator[ModuleType]:
    """Return the SQS example, initialised as Lambda does it: on import."""
    yield from _initialised("examples.sqs_lambda.handler", deduplicator)


@pytest.fixture
def eventbridge_direct(deduplicator: Deduplicator) -> Iterator[ModuleType]:
    """Return the example without a queue, initialised as Lambda does it: on import."""
    yield from _initialised("examples.eventbridge_direct.handler", deduplicator)


def _initialised(name: str, deduplicator: Deduplicator) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    assert module.deduplicator is deduplicator
    yield module
    del sys.modules[name]


def _broken(_: dict[str, Any]) -> None:
    message = "the downstream API is down"
    raise RuntimeError(message)


def test_the_naive_handler_loses_the_race_and_its_replacement_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two deliveries at once: two effects before, one after, and the duplicate is not lost."""
    example = ROOT / "examples" / "migration" / "naive_to_idempotent.py"
    runpy.run_path(str(example), run_name="__main__")
    before, after = capsys.readouterr().out.splitlines()
    assert before == "before: process_event ran 2 x; deliveries: Processed, Processed"
    assert after == (
        "after : process_event ran 1 x; deliveries: Processed,"
        " InProgressError (its queue brings it back), Duplicate"
    )


def test_the_sqs_example_processes_each_event_once(
    sqs_lambda: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A duplicate is deleted without an effect, in the same batch and in a later one."""
    for event in (batch_of("k1", "k1", "k2"), batch_of("k2")):
        assert sqs_lambda.handler(event, Context(30_000)) == {"batchItemFailures": []}
    assert capsys.readouterr().out.splitlines() == [
        "conversation.start: processed event event-of-k1",
        "conversation.start: processed event event-of-k2",
    ]


def test_the_sqs_example_returns_what_must_come_back(
    sqs_lambda: ModuleType, deduplicator: Deduplicator, capsys: pytest.CaptureFixture[str]
) -> None:
    """In progress elsewhere and no key at all: both stay in the queue, the rest is done."""
    deduplicator.claim("busy")
    event = batch(
        record("m0", envelope("busy")),
        record("m1", envelope(None, id="")),
        record("m2", envelope("free")),
    )
    assert failed(sqs_lambda.handler(event, Context(30_000))) == ["m0", "m1"]
    assert capsys.readouterr().out == "conversation.start: processed event event-of-free\n"


def test_the_direct_example_drops_a_duplicate(
    eventbridge_direct: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second delivery of a done event has no effect and succeeds."""
    for _ in range(2):
        eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert capsys.readouterr().out == "conversation.start: processed event event-of-k\n"


def test_the_direct_example_can_try_again_at_once_after_a_failure(
    eventbridge_direct: ModuleType,
    deduplicator: Deduplicator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A failure is raised to Lambda and gives the key up: the next try does the work."""
    with monkeypatch.context() as patch:
        patch.setattr(eventbridge_direct, "process_event", _broken)
        with pytest.raises(RuntimeError, match="downstream API"):
            eventbridge_direct.handler(envelope("k"), Context(30_000))
    eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert capsys.readouterr().out == "conversation.start: processed event event-of-k\n"
    done = deduplicator.claim("k")
    assert not isinstance(done, Claimed)
    assert done.record.generation == 2


def test_the_direct_example_fails_while_another_worker_is_at_it(
    eventbridge_direct: ModuleType, deduplicator: Deduplicator, capsys: pytest.CaptureFixture[str]
) -> None:
    """In progress elsewhere is an error to Lambda, whose next try then finds the work to do."""
    elsewhere = deduplicator.claim("k")
    assert elsewhere
    with pytest.raises(InProgressError):
        eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert not capsys.readouterr().out
    elsewhere.release()
    eventbridge_direct.handler(envelope("k"), Context(30_000))
    assert capsys.readouterr().out == "conversation.start: processed event event-of-k\n"


RESCUED = Takeover([1, 2], waited_seconds=6.0, refused=1, effects=1, is_done=True)
ONCE = Figures(events=3, sent_close=3, deliveries=6, processed=3, doubled=0, lost=0, requests=9)
TWICE = ONCE._replace(processed=5, doubled=2)


def test_the_demo_counts_what_the_ledger_says(tmp_path: Path) -> None:
    """Doubled, lost and sent-together are counted by key; a line cut by a kill does not count."""
    job = Job(naive, "", "", "", tmp_path / "ledger", 0)
    for worker in range(2):
        job.note("delivered", "twice", 1000 + 100 * worker)
        job.note("delivered", "once", 1000 + 101 * worker)
        job.note("request")
        job.note("started", "lost")
        job.note("effect", "twice")
    job.note("effect", "once")
    with job.ledger.open("a") as file:
        file.write('["effect", "lo')
    assert figures(["twice", "once", "lost"], job.entries()) == Figures(
        events=3, sent_close=1, deliveries=4, processed=3, doubled=1, lost=1, requests=2
    )
    assert [entry.key for entry in job.entries("started")] == ["lost", "lost"]


def test_the_demos_picture_shows_each_run_and_which_were_doubles(tmp_path: Path) -> None:
    """Two runs of one event at once are on two rows, the later one in red; a kill has no length."""
    ledger = [
        Entry("delivered", "a", 0, 1.0),
        Entry("started", "a", 0, 1.1),
        Entry("started", "a", 0, 1.2),
        Entry("effect", "a", 0, 1.5),
        Entry("effect", "a", 0, 1.6),
        Entry("started", "killed", 1, 1.7),
    ]
    assert runs(ledger) == [
        Run("a", 1.1, 1.5, 0, again=False),
        Run("a", 1.2, 1.6, 1, again=True),
        Run("killed", 1.7, 1.7, 0, again=False),
    ]
    save({"naive": ledger, "cxone_idem": ledger[:2]}, tmp_path / "new" / "race.svg")
    text = (tmp_path / "new" / "race.svg").read_text("utf-8")
    assert text.count("<rect x=") == 3 + 1
    assert "1 deliveries, 3 runs, 1 of them doubles" in text
    assert minidom.parseString(text).getElementsByTagName("svg")  # noqa: S318 -- our own


@pytest.mark.parametrize(
    ("before", "after", "takeover", "complaint"),
    [
        (ONCE, ONCE, RESCUED, "no race was shown"),
        (TWICE, TWICE, RESCUED, "cxone_idem doubled 2 events"),
        (TWICE, ONCE._replace(lost=1), RESCUED, "cxone_idem lost 1 events"),
        (TWICE, ONCE, RESCUED._replace(generations=[1, 1]), "was not taken over"),
        (TWICE, ONCE, RESCUED._replace(effects=2), "had 2 effects"),
        (TWICE, ONCE, RESCUED._replace(is_done=False), "not recorded as done"),
    ],
)
def test_the_demo_says_what_it_failed_to_show(
    before: Figures, after: Figures, takeover: Takeover, complaint: str
) -> None:
    """Each way to break the promise, and a race that nobody lost, ends the demo with an error."""
    (found,) = mistakes(before, after, takeover)
    assert complaint in found
    assert not mistakes(TWICE, ONCE, RESCUED)


def test_readmes_picture_is_one_of_the_demos(tmp_path: Path) -> None:
    """It has the legend that the demo draws now, and the figures that README names."""
    save({"naive": [Entry("started", "k", 1, 0.0)]}, tmp_path / "race.svg")
    legend = (tmp_path / "race.svg").read_text("utf-8").splitlines()[1:6]
    shown = (ROOT / "examples" / "demo" / "race.svg").read_text("utf-8")
    assert legend == shown.splitlines()[1:6]
    assert re.findall(r", (\d+) of them doubles", shown) == ["195", "0"]
    assert "runs 195 of 200 events twice" in (ROOT / "README.md").read_text()


@pytest.mark.engine
def test_the_demo_shows_problem_and_cure() -> None:
    """Over HTTP the naive consumer doubles, the library does not, and a dead worker is replaced."""
    require("ministack")
    demo = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert not demo.stderr
    before, after = (int(n) for n in _row("events doubled", demo.stdout))
    assert before > 0
    assert after == 0
    assert _row("events lost", demo.stdout) == ["0", "0"]
    assert "generation 1 -> 2" in demo.stdout
    assert demo.stdout.endswith("The race as it ran: dist/race.svg\n")
    assert f", {after} of them doubles" in (ROOT / "dist" / "race.svg").read_text("utf-8")
    assert max(map(len, demo.stdout.splitlines())) <= 80, "a terminal would break it"


def _row(title: str, report: str) -> list[str]:
    found = re.search(rf"{title}\s+(\d+)\s+(\d+)", report)
    assert found, report
    return list(found.groups())
