"""Metrics: what is counted is what happened, and each line is in the embedded metric format."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    Cause,
    Config,
    ConfigError,
    Deduplicator,
    MemoryStore,
    MessageStatus,
    Origin,
    Outcome,
)
from cxone_idem.protocol.transition import Counts
from cxone_idem.record import State
from cxone_idem.sqs.message import read_batch
from cxone_idem.sqs.metrics import DUPLICATES, UNITS, document, values
from tests.support.clocks import MovableClock, TellsTime
from tests.support.documents import sections
from tests.support.engines import MemoryTable
from tests.support.events import Context, batch, batch_of, envelope, record
from tests.support.failing_store import FailingStore
from tests.support.interpreter import run

if TYPE_CHECKING:
    from collections.abc import Callable

METERED = Config(metrics="cxone_idem", namespace="my-function")


def check_document(line: str) -> dict[str, Any]:
    """Return an embedded metric document; fail if AWS's specification would refuse it.

    "Specification: Embedded metric format", CloudWatch User Guide: its sentences and its schema.
    """
    found: dict[str, Any] = json.loads(line)
    assert len(line.encode()) < 1_000_000
    metadata = found["_aws"]
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(metadata["Timestamp"], int)
    for directive in metadata["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 255
        assert len(directive["Dimensions"]) >= 1
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            for name in dimensions:
                assert 1 <= len(name) <= 250
                assert isinstance(found[name], str)
                assert 1 <= len(found[name]) <= 1024
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert set(metric) <= {"Name", "Unit", "StorageResolution"}
            assert 1 <= len(metric["Name"]) <= 255
            assert metric["Unit"] in {"Count", "Milliseconds"}
            assert type(found[metric["Name"]]) in {int, float}
    return found


@pytest.fixture
def measure(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Return what delivers a batch and reads the one line that it writes."""

    def deliver(deduplicator: Deduplicator, event: Any, handler: Any = None) -> dict[str, Any]:
        capsys.readouterr()
        deduplicator.process_batch(event, handler or (lambda _: None), context=Context(30_000))
        (line,) = capsys.readouterr().out.splitlines()
        return check_document(line)

    return deliver


def counted(found: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics that were counted."""
    names = {metric["Name"] for metric in found["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    return {name: found[name] for name in names}


def test_a_batch_writes_one_line_of_what_happened(measure: Callable[..., dict[str, Any]]) -> None:
    """Claims, failures and duplicates by cause; writes and requests as the store saw them."""
    deduplicator = Deduplicator(MemoryStore(), METERED)

    def handler(event: dict[str, Any]) -> None:
        if event["detail"]["IdempotencyKey"] == "raises":
            raise RuntimeError

    found = measure(
        deduplicator,
        batch(
            record("a", envelope("k")),
            record("b", envelope("k")),
            record("c", envelope("k", id="again")),
            record("d", envelope("raises")),
            record("e", "no json"),
        ),
        handler,
    )
    assert found["namespace"] == "my-function"
    assert counted(found) == {
        "messages": 5,
        "claimed": 2,
        "duplicates": 2,
        "duplicates_eventbridge_delivered_twice": 1,
        "duplicates_cxone_emitted_again": 1,
        "released": 1,
        "handler_failed": 1,
        "key_missing": 1,
    }
    assert counted(measure(deduplicator, batch_of("k"), handler)) == {
        "messages": 1,
        "duplicates": 1,
        "duplicates_eventbridge_delivered_twice": 1,
    }


def test_what_goes_wrong_is_counted(
    measure: Callable[..., dict[str, Any]], clock: MovableClock
) -> None:
    """A lease that ran out, a claim that was lost, a store that fails before and after."""
    told = TellsTime(MemoryStore(), clock)
    newer = Deduplicator(told, METERED, now=clock)

    def overtaken(_: Any) -> None:
        clock.advance(10_000)
        claim = newer.claim("k")
        assert claim

    deduplicator = Deduplicator(told, METERED, now=clock)
    assert counted(measure(deduplicator, batch_of("k"), overtaken))["lost_claims"] == 1
    assert counted(measure(newer, batch_of("other")))["taken_over"] == 1
    assert counted(measure(deduplicator, batch_of("k"), overtaken)) == {
        "messages": 1,
        "in_progress": 1,
    }
    failing = FailingStore(MemoryStore())
    for state, name in (
        (State.DONE, "unrecorded_completions"),
        (State.IN_PROGRESS, "store_failed"),
    ):
        failing.fails = state
        assert counted(measure(Deduplicator(failing, METERED), batch_of(name)))[name] == 1
    disabled = Deduplicator(MemoryStore(), Config(metrics="m", disabled=True))
    assert counted(measure(disabled, batch_of("k"))) == {"messages": 1, "unprotected": 1}


def test_a_message_in_progress_elsewhere_is_no_duplicate_until_it_is_dropped(
    measure: Callable[..., dict[str, Any]],
) -> None:
    """Each time it comes back it is in progress, without a cause; then it is one duplicate."""
    store = MemoryStore()
    other = Deduplicator(store, METERED)
    claim = other.claim("k", origin=Origin(event_id="event-of-k", message_id="first"))
    assert claim
    deduplicator = Deduplicator(store, METERED)
    for receives in ("1", "2", "3"):
        event = batch(record("m", envelope("k"), receive_count=receives))
        assert counted(measure(deduplicator, event)) == {"messages": 1, "in_progress": 1}
    claim.complete()
    event = batch(record("m", envelope("k"), receive_count="4"))
    assert counted(measure(deduplicator, event)) == {
        "messages": 1,
        "duplicates": 1,
        "duplicates_eventbridge_delivered_twice": 1,
    }


def test_the_one_dimension_is_the_namespace(
    measure: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable's value, or else the function's name; `none` is no dimension."""
    monkeypatch.setenv("CXONE_IDEM_METRICS", "cxone_idem")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "my-function")
    for value, dimension in (("", "my-function"), ("consumer", "consumer"), ("none", None)):
        monkeypatch.setenv("CXONE_IDEM_NAMESPACE", value)
        found = measure(Deduplicator(MemoryStore(), Config.from_environ()), batch_of("k"))
        (directive,) = found["_aws"]["CloudWatchMetrics"]
        assert directive["Dimensions"] == [["namespace"] if dimension else []]
        assert found.get("namespace") == dimension


def test_a_retry_after_a_release_is_no_takeover(measure: Callable[..., dict[str, Any]]) -> None:
    """Only a lease that ran out tells of a worker that died."""
    store = MemoryStore()
    claim = Deduplicator(store, METERED).claim("k")
    assert claim
    claim.release()
    found = counted(measure(Deduplicator(store, METERED), batch_of("k")))
    assert found == {"messages": 1, "claimed": 1}


def test_lost_answers_are_counted_when_recognised(
    measure: Callable[..., dict[str, Any]],
) -> None:
    """At once, when the SDK retries; and later, when the next write meets the lost one."""
    table = MemoryTable()
    table.lose_answers()
    found = measure(Deduplicator(table, METERED), batch_of("k"))
    assert found["lost_answers"] == 1
    assert found["claimed"] == 1

    failing = FailingStore(MemoryStore())
    deduplicator = Deduplicator(failing, METERED)
    failing.fails, failing.executes = State.DONE, True
    assert "lost_answers" not in measure(deduplicator, batch_of("l"))
    failing.fails = None
    assert measure(deduplicator, batch_of("m"))["lost_answers"] == 1


@pytest.mark.parametrize("status", MessageStatus, ids=lambda status: status.value)
def test_every_status_is_counted(status: MessageStatus) -> None:
    """No message is without a metric, whatever became of it."""
    (message,) = read_batch(batch_of("k"))
    counts = values([Outcome(message, status, "k", Origin())], Counts())
    assert sum(bool(value) for value in counts.values()) > 1


def test_every_metric_can_be_written() -> None:
    """All at once, with no dimension, they are a document still."""
    assert set(values([], Counts())) == set(UNITS)
    everything: dict[str, Any] = dict.fromkeys(UNITS, 1)
    found = check_document(json.dumps(document(everything, "m", "", 1)))
    assert set(counted(found)) == set(UNITS)
    assert found["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    nothing = check_document(json.dumps(document(values([], Counts()), "m", "n", 1)))
    assert counted(nothing) == {"messages": 0}


def test_a_committed_transaction_is_no_lost_answer() -> None:
    """Its completion is met by ours, and nothing went wrong."""
    store = MemoryStore()
    deduplicator = Deduplicator(store)
    claim = deduplicator.claim("k")
    assert claim
    committed = replace(claim.record, state=State.DONE, version="of the transaction")
    claim.held.may_have_landed(committed)  # as `transaction_item` does
    assert store.put_if(committed, claim.record.version).written
    claim.complete()
    assert deduplicator.claims.counters.drain().lost_answers == 0


@pytest.mark.parametrize("wrong", ["true", "0", "AWS/Lambda", ":m", "m" * 256, "mé", "a\tb"])
def test_a_namespace_that_cloudwatch_refuses_is_refused(wrong: str) -> None:
    """And so is what somebody sets who takes the setting for a switch."""
    with pytest.raises(ConfigError, match="CXONE_IDEM_METRICS"):
        Config(metrics=wrong)


def test_a_broken_stdout_changes_no_outcome(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Metrics look on."""
    deduplicator = Deduplicator(MemoryStore(), METERED)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        response = deduplicator.process_batch(batch_of("k"), lambda _: None)
    assert response == {"batchItemFailures": []}
    assert "an observer of the batch failed" in caplog.text


def test_without_the_setting_nothing_is_written_or_loaded() -> None:
    """Not even the module: cold starts count."""
    code = """
import sys, cxone_idem
cxone_idem.Deduplicator(cxone_idem.MemoryStore()).process_batch({"Records": []}, print)
print("cxone_idem.sqs.metrics" in sys.modules)
"""
    assert run(code).strip() == "False"


def test_readme_names_metrics_that_there_are() -> None:
    """The alarm list and the rest name every metric, and none that there is not."""
    text = sections()["Logs, metrics and alarms"].partition("Alarms worth")[2]
    named = set(re.findall(r"`([a-z_]+)`", text)) - {
        "duplicates_",
        "namespace",
        "none",
        "usual_emitted_again",
    }
    assert named <= set(UNITS)
    assert set(UNITS) - named == set(DUPLICATES.values()) - named
    assert set(DUPLICATES) == set(Cause) - {Cause.NOT_A_DUPLICATE}
