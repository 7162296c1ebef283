"""What watches the pipeline: alarms and dashboard are about metrics and lines that there are."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from awslambdaric.lambda_runtime_log_utils import JsonFormatter

from cxone_idem import Cause, Config, Deduplicator, MemoryStore
from cxone_idem.sqs.metrics import DUPLICATES, UNITS
from tests.integration.infrastructure import insights, sam, terraform
from tests.support.documents import code_blocks, sections
from tests.support.events import Context, batch, envelope, record

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR_MS = 3_600_000
AT_MS = 1_700_000_000_000 // HOUR_MS * HOUR_MS

REPEATS, EMITTED_TWICE, FAILS = code_blocks("Logs, metrics and alarms", "text")


@pytest.fixture(scope="module", params=[sam, terraform], ids=["sam", "terraform"])
def stated(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what each of the two templates says."""
    said: dict[str, Any] = request.param.stated()
    return said


class Log:
    """The log of a function in JSON format, each line at a time that the test sets."""

    def __init__(self) -> None:
        self.at_ms = AT_MS
        self.lines = [insights.Line(AT_MS, "START RequestId: 1"), insights.Line(AT_MS, "[1]")]
        self._text = io.StringIO()
        self.handler = logging.StreamHandler(self._text)
        self.handler.setFormatter(JsonFormatter())

    def deliver(self, deduplicator: Deduplicator, *records: Any, handler: Any = bool) -> None:
        """Process a batch; keep what the log got of it."""
        deduplicator.process_batch(batch(*records), handler, context=Context(30_000))
        texts = self._text.getvalue().splitlines()
        self.lines += [insights.Line(self.at_ms, text) for text in texts if text]
        self._text.seek(0)
        self._text.truncate()


@pytest.fixture
def log() -> Iterator[Log]:
    """Return the library's log as the template's function writes it: JSON, from INFO on."""
    log = Log()
    logger = logging.getLogger("cxone_idem")
    logger.addHandler(log.handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield log
    logger.setLevel(level)
    logger.removeHandler(log.handler)


def _raise(_: Any) -> None:
    raise RuntimeError


def widgets(stated: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the dashboard's widgets, each `${name}` left as it is."""
    found: list[dict[str, Any]] = json.loads(stated["dashboard: body"])["widgets"]
    return found


def metrics(stated: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return namespace, name and dimension of each metric on the dashboard."""
    return [
        tuple(row[:4])
        for widget in widgets(stated)
        for row in widget["properties"].get("metrics", ())
        if isinstance(row[0], str)
    ]


def alarms(stated: dict[str, Any]) -> dict[str, Any]:
    """Return the alarms by name."""
    return {
        name.removeprefix("alarm: "): alarm
        for name, alarm in stated.items()
        if name.startswith("alarm: ")
    }


def test_what_breaks_outside_the_library_has_an_alarm(stated: dict[str, Any]) -> None:
    """Both queues of failures, a backlog, the function's errors and throttles, the table's."""
    watched = {
        (*alarm["metric"][:2], *alarm["metric"][2].values())
        for alarm in alarms(stated).values()
        if alarm["metric"] and alarm["metric"][0].startswith("AWS/")
    }
    assert watched == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "dead_letters"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "undelivered"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", "events"),
        ("AWS/Lambda", "Errors", "consumer"),
        ("AWS/Lambda", "Throttles", "consumer"),
        ("AWS/DynamoDB", "WriteThrottleEvents", "records"),
    }
    # What always fails is a dead letter before it counts as a backlog.
    gone = stated["events: receives"] * stated["events: visibility seconds"]
    assert alarms(stated)["oldest_message"]["threshold"] > gone


def test_the_guides_alarms_are_the_templates(stated: dict[str, Any]) -> None:
    """Each row of the table: the metric, the threshold and the period."""
    rows = re.findall(
        r"^\| `(\w+)` \| > (.+) in (5 min|1 h) \|",
        sections()["Logs, metrics and alarms"],
        re.MULTILINE,
    )
    said = {name: (threshold, {"5 min": 300, "1 h": 3600}[of]) for name, threshold, of in rows}
    of_the_library = {
        name: alarm
        for name, alarm in alarms(stated).items()
        if not alarm["metric"] or alarm["metric"][0] == "cxone_idem"
    }
    assert said.pop("in_progress") == ("a tenth of `messages`", 3600)
    assert said.pop("duplicates_cxone_emitted_again") == ("`usual_emitted_again`", 3600)
    queries = of_the_library.pop("in_progress")
    again = of_the_library.pop("duplicates_cxone_emitted_again")
    assert (again["threshold"], again["period"]) == ("usual_emitted_again", 3600)
    assert queries["threshold"] == 10
    assert queries["queries"] == [
        {"id": "percentage", "expression": "100 * in_progress / messages"},
        *(
            {"id": name, "metric": ("cxone_idem", name, {"namespace": "namespace"}, 3600, "Sum")}
            for name in ("in_progress", "messages")
        ),
    ]
    assert said == {
        name: (str(alarm["threshold"]), alarm["period"]) for name, alarm in of_the_library.items()
    }


def test_alarms_match_what_the_line_carries(stated: dict[str, Any]) -> None:
    """Namespace and dimension are the environment's; what is left out is no alarm."""
    environment = stated["function: environment"]
    for name, alarm in alarms(stated).items():
        assert alarm["missing"] == "notBreaching"
        assert alarm["operator"] == "GreaterThanThreshold"
        assert alarm["actions"] == ["alarm_topic_arn"]
        if alarm["metric"] and not alarm["metric"][0].startswith("AWS/"):
            namespace, metric, dimensions = alarm["metric"]
            assert namespace == environment["CXONE_IDEM_METRICS"]
            assert metric == name
            assert metric in UNITS
            assert dimensions == {"namespace": environment["CXONE_IDEM_NAMESPACE"]}
            assert alarm["statistic"] == "Sum"


def test_the_dashboard_answers_five_questions(stated: dict[str, Any]) -> None:
    """How many, why repeated, what fails, how far behind, what it costs; then three tables."""
    titles = [widget["properties"]["title"].split(":")[0] for widget in widgets(stated)]
    assert titles == [
        "How many events",
        "Duplicates by cause",
        "What fails",
        "How far behind",
        "What it costs at most",
        "What repeats itself, hour by hour",
        "What fails, and why",
        "What CXone emitted twice",
    ]
    named = set(re.findall(r"\$\{(\w+)\}", stated["dashboard: body"]))
    assert named == set(stated["dashboard: values"])
    places = [(one["x"], one["y"], one["width"], one["height"]) for one in widgets(stated)]
    covered = [
        (column, row)
        for x, y, width, height in places
        for column in range(x, x + width)
        for row in range(y, y + height)
    ]
    assert len(covered) == len(set(covered))
    assert max(column for column, _ in covered) == 23


def test_the_dashboard_shows_metrics_that_there_are(stated: dict[str, Any]) -> None:
    """The library's by their namespace and dimension, and each of its causes."""
    ours = [row for row in metrics(stated) if not row[0].startswith("AWS/")]
    assert {row[0] for row in ours} == {stated["function: environment"]["CXONE_IDEM_METRICS"]}
    assert {row[2:] for row in ours} == {("namespace", "${namespace}")}
    names = [row[1] for row in ours]
    assert set(names) <= set(UNITS)
    assert len(names) == len(set(names))
    assert set(DUPLICATES.values()) <= set(names)
    # What an alarm can name can be looked at.
    alarmed = {(alarm["metric"] or ("", name))[1] for name, alarm in alarms(stated).items()}
    assert alarmed <= {row[1] for row in metrics(stated)}


def test_the_price_is_made_of_what_is_measured(stated: dict[str, Any]) -> None:
    """Each name in an expression is the id of a metric, and none is for nothing."""
    (widget,) = (
        one["properties"] for one in widgets(stated) if "costs" in one["properties"]["title"]
    )
    expressions = [row[0]["expression"] for row in widget["metrics"] if len(row) == 1]
    ids = [row[4]["id"] for row in widget["metrics"] if len(row) == 5]
    assert sorted(ids) == sorted(re.findall(r"[a-z]+", " ".join(expressions)))
    # Lambda's price is of GB-seconds.
    assert f"duration / 1000 * {stated['function: memory'] / 1024}" in " ".join(expressions)


def test_the_dashboards_queries_are_the_guides(stated: dict[str, Any]) -> None:
    """Word for word, behind the log group."""
    asked = {
        one["properties"]["query"].removeprefix("SOURCE '${logs}' | ")
        for one in widgets(stated)
        if one["type"] == "log"
    }
    assert asked == {" ".join(query.split()) for query in (REPEATS, EMITTED_TWICE, FAILS)}


def test_repeats_are_counted_by_cause_and_hour(log: Log) -> None:
    """What was dropped, once each; not what came back to wait, and not what failed."""
    store = MemoryStore()
    first, second = Deduplicator(store), Deduplicator(store)
    log.deliver(first, record("m", envelope("k")), record("n", envelope("k")))
    log.deliver(second, record("o", envelope("k", id="again")))
    held = Deduplicator(store).claim("held")
    assert held
    for _ in range(3):
        log.deliver(second, record("p", envelope("held")))
    log.at_ms += HOUR_MS
    held.complete()
    log.deliver(second, record("p", envelope("held")))
    log.deliver(second, record("q", "no json"), record("r", envelope("bad")), handler=_raise)
    found = insights.run(REPEATS, log.lines)
    assert [tuple(row.values()) for row in found] == [
        (Cause.EVENTBRIDGE_DELIVERED_TWICE.value, AT_MS, 1),
        (Cause.CXONE_EMITTED_AGAIN.value, AT_MS, 1),
        (Cause.UNKNOWN.value, AT_MS + HOUR_MS, 1),
    ]
    assert list(found[0]) == ["cxone_idem.cause", "bin(1h)", "duplicates"]


def test_what_cxone_emitted_twice_comes_with_both_ids(log: Log) -> None:
    """Newest first, each with what a ticket needs; other duplicates are left out."""
    deduplicator = Deduplicator(MemoryStore())
    log.deliver(deduplicator, record("m", envelope("k", id="one")))
    log.deliver(deduplicator, record("n", envelope("k", id="one")))
    for event_id in ("two", "three"):
        log.at_ms += 1000
        log.deliver(deduplicator, record(event_id, envelope("k", id=event_id)))
    found = insights.run(EMITTED_TWICE, log.lines)
    assert [row.pop("@timestamp") for row in found] == [AT_MS + 2000, AT_MS + 1000]
    assert found[1] == {
        "cxone_idem.key": "k",
        "cxone_idem.first_event_id": "one",
        "cxone_idem.first_sent_at_ms": 1698417000123,
        "cxone_idem.event_id": "two",
        "cxone_idem.sent_at_ms": 1698417000123,
    }


def test_failures_are_counted_by_status_and_error(log: Log) -> None:
    """The most frequent first."""
    deduplicator = Deduplicator(MemoryStore(), Config(fingerprint="id"))
    log.deliver(deduplicator, record("m", envelope("k")), record("n", envelope("k", id="other")))
    log.deliver(deduplicator, record("q", "no json"))
    for _ in range(2):
        log.deliver(deduplicator, record("r", envelope("bad")), handler=_raise)
    found = [tuple(row.values()) for row in insights.run(FAILS, log.lines)]
    assert found[0] == ("handler_failed", "RuntimeError", 2)
    assert sorted(status for status, *_ in found[1:]) == ["fingerprint_mismatch", "key_missing"]
    assert [count for *_, count in found] == [2, 1, 1]


@pytest.mark.parametrize(
    "query",
    ["filter a like /x/", "stats sum(a)", "dedup a", "sort a", "fields a as b", "filter a != 1"],
)
def test_a_query_that_is_not_understood_is_an_error(query: str) -> None:
    """Control: nothing in a query is passed over."""
    with pytest.raises((ValueError, AssertionError)):
        insights.run(query, [insights.Line(1, '{"a": "x"}')])
