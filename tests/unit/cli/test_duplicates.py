"""`cxone-idem duplicates`: a made-up day, consumed and logged by the library, is told right."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from awslambdaric.lambda_runtime_log_utils import JsonFormatter
from click.testing import CliRunner

from cxone_idem import Cause, Config, Deduplicator, MemoryStore
from cxone_idem.cli.app import cli
from cxone_idem.cli.log_reader import LogReader
from cxone_idem.cli.output import Exit
from cxone_idem.record import Origin, Record, State
from cxone_idem.sqs.logs import FIELD
from cxone_idem.stores.dynamodb_item import Layout
from tests.support.clocks import MovableClock, TellsTime
from tests.support.command import run
from tests.support.documents import code_blocks
from tests.support.events import batch, envelope, record

if TYPE_CHECKING:
    from collections.abc import Callable

MIDNIGHT_SECONDS = 1_798_761_600  # 2027-01-01 00:00 UTC
HOUR_SECONDS = 3600
FORMATTERS = {"Lambda": JsonFormatter, "Powertools": LambdaPowertoolsFormatter}


class Day:
    """A queue, its consumers and their log, on a clock of the day's own."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.clock = MovableClock(MIDNIGHT_SECONDS)
        self.truth: Counter[tuple[int, str]] = Counter()
        """How many duplicates of each cause came in each hour."""
        self._store = TellsTime(MemoryStore(), self.clock)
        self._text = io.StringIO()
        formatter.converter = time.gmtime
        self._handler = logging.StreamHandler(self._text)
        self._handler.setFormatter(formatter)
        self._handler.addFilter(self._stamp)
        self._messages = 0

    def _stamp(self, line: logging.LogRecord) -> bool:
        line.created, line.msecs = self.clock.seconds, 0
        return True

    def deliver(self, body: dict[str, Any], cause: Cause | None = None, **attributes: Any) -> str:
        """Have a process of its own consume a message; return the message's id."""
        self._messages += 1
        message_id = str(attributes.pop("message_id", f"message-{self._messages}"))
        attributes.setdefault("SentTimestamp", str(int(self.clock.seconds * 1000)))
        config = Config(fingerprint="detail.conversationId")
        deduplicator = Deduplicator(self._store, config, now=self.clock)
        event = batch(record(message_id, body, **attributes))
        response = deduplicator.process_batch(event, lambda _: None)
        assert bool(response["batchItemFailures"]) == (cause is Cause.NOT_A_DUPLICATE)
        if cause:
            hour = int(self.clock.seconds - MIDNIGHT_SECONDS) // HOUR_SECONDS
            self.truth[hour, cause.value] += 1
        return message_id

    def log(self, live: Callable[[Day], None]) -> list[str]:
        """Live a day; return its log's lines."""
        logger = logging.getLogger("cxone_idem")
        logger.addHandler(self._handler)
        level, logger.propagate = logger.level, False
        logger.setLevel(logging.INFO)
        try:
            live(self)
        finally:
            logger.removeHandler(self._handler)
            logger.setLevel(level)
            logger.propagate = True
        return self._text.getvalue().splitlines()


def start(conversation: str, **fields: Any) -> dict[str, Any]:
    """Return a conversation's start, under a key of the conversation's."""
    body = envelope(f"key-of-{conversation}", **fields)
    body["detail"]["conversationId"] = conversation
    return body


def ordinary_day(day: Day) -> None:
    """Two rules all day, CXone repeating itself in the morning, a redrive, a replay, slow work."""
    for hour in range(24):
        for number in range(3):
            body = start(f"conversation-{hour}-{number}")
            message_id = day.deliver(body)
            day.clock.advance(60)
            if number == 0:
                day.deliver(body, Cause.EVENTBRIDGE_DELIVERED_TWICE)
            if hour in {9, 10}:
                day.deliver({**body, "id": f"again-{hour}-{number}"}, Cause.CXONE_EMITTED_AGAIN)
            if hour == 13:
                sent = str(int((day.clock.seconds - 60) * 1000))
                again = {"message_id": message_id, "SentTimestamp": sent}
                day.deliver(body, Cause.SQS_REDELIVERED, ApproximateReceiveCount="2", **again)
            if hour == 16 and number == 2:
                day.clock.advance(1000)
                day.deliver(body, Cause.DEAD_LETTER_REDRIVE)
            if hour == 20:
                day.deliver({**body, "replay-name": "new-year"}, Cause.ARCHIVE_REPLAY)
        day.clock.seconds = MIDNIGHT_SECONDS + (hour + 1) * HOUR_SECONDS


@cache
def ordinary(formatter: str) -> tuple[list[str], Counter[tuple[int, str]]]:
    """Return an ordinary day's log, and what really happened in it."""
    day = Day(FORMATTERS[formatter]())
    return day.log(ordinary_day), day.truth


def told(data: dict[str, Any]) -> Counter[tuple[int, str]]:
    """Return what a command's JSON tells, as the truth has it."""
    assert data["period_seconds"] == HOUR_SECONDS
    return Counter(
        {
            (int(period["at"][11:13]), cause): count
            for period in data["over_time"]
            for cause, count in period.items()
            if cause != "at"
        }
    )


def as_tail(lines: list[str]) -> str:
    """Return what `aws logs tail` prints."""
    return "\n".join(f"2027-01-01T23:59:59+00:00 2027/01/01/[$LATEST]ab {line}" for line in lines)


def as_events(lines: list[str]) -> str:
    """Return CloudWatch's events, one a line."""
    return "\n".join(json.dumps({"timestamp": 1, "message": line}) for line in lines)


def cloudwatch_answer(lines: list[str]) -> dict[str, Any]:
    """Return what `aws logs filter-log-events` prints."""
    events = [{"logStreamName": "s", "timestamp": 1, "message": line} for line in lines]
    return {"events": events, "searchedLogStreams": []}


def insights_answer(lines: list[str]) -> dict[str, Any]:
    """Return what `aws logs get-query-results` prints."""
    at = {"field": "@timestamp", "value": "2027-01-01 23:00:00.000"}
    return {"results": [[at, {"field": "@message", "value": line}] for line in lines]}


EXPORTS: dict[str, Callable[[list[str]], str]] = {
    "as logged": "\n".join,
    "filter-log-events as text": "\t".join,
    "filter-log-events as JSON": lambda lines: json.dumps(lines, indent=2),
    "events, one a line": as_events,
    "tail": as_tail,
    "filter-log-events": lambda lines: json.dumps(cloudwatch_answer(lines), indent=4),
    "filter-log-events on one line": lambda lines: json.dumps(cloudwatch_answer(lines)),
    "Logs Insights": lambda lines: json.dumps(insights_answer(lines), indent=4),
    "after a level": lambda lines: "\n".join(f"[INFO] {line}" for line in lines),
    "among other lines": lambda lines: "START RequestId: {1}\n\n[]\n{" + "\n" + "\n".join(lines),
}


@pytest.mark.parametrize("formatter", FORMATTERS)
@pytest.mark.parametrize("export", EXPORTS)
def test_a_days_causes_are_told_hour_by_hour(formatter: str, export: str) -> None:
    """Every cause that was made is counted in its hour, by either format and any export."""
    lines, truth = ordinary(formatter)
    assert {cause for _, cause in truth} == {
        "eventbridge_delivered_twice",
        "cxone_emitted_again",
        "sqs_redelivered",
        "dead_letter_redrive",
        "archive_replay",
    }
    said = run(["duplicates", "--json"], EXPORTS[export](lines))
    assert said.exit is Exit.OK
    assert told(said.data) == truth
    assert said.data["duplicates"] == sum(truth.values())


def test_readmes_command_reads_what_its_filter_lets_through() -> None:
    """Lines of a cause, as `--output text` prints a list: side by side."""
    lines, truth = ordinary("Lambda")
    (block,) = code_blocks("Why was this a duplicate?", "sh")
    fetches, _, reads = block.replace("\\\n", "").partition("|")
    assert "{ $.cxone_idem.cause = * }" in fetches
    assert "--output text" in fetches
    through = [line for line in lines if line and "cause" in json.loads(line)[FIELD]]
    program, *arguments = reads.split()
    assert program == "cxone-idem"
    said = run([*arguments, "--json"], "\t".join(through))
    assert told(said.data) == truth


def test_the_evidence_is_enough_for_a_ticket() -> None:
    """Both event ids and both times of what CXone emitted again."""
    lines, _ = ordinary("Lambda")
    said = run(["duplicates", "--json"], "\n".join(lines))
    again = said.data["causes"]["cxone_emitted_again"]
    assert again["duplicates"] == 6
    assert len(again["examples"]) == 3
    assert {"event_id", "first_event_id", "sent_at_ms", "first_sent_at_ms", "key"} <= set(
        again["examples"][0]
    )


def test_without_a_terminal_it_is_a_table_and_words_apart() -> None:
    """Periods as tab-separated lines on stdout; shares and what to do about it on stderr."""
    lines, truth = ordinary("Lambda")
    said = run(["duplicates"], "\n".join(lines))
    header, *rows = (line.split("\t") for line in said.out.splitlines())
    assert header[:2] == ["from (UTC)", "eventbridge_delivered_twice"]
    assert len(rows) == 24
    assert rows[9][0] == "2027-01-01 09:00"
    assert sum(int(row[-1]) for row in rows) == sum(truth.values())
    assert "6 (16%) cxone_emitted_again" in said.err
    assert Cause.CXONE_EMITTED_AGAIN.advice in said.err


def test_events_that_are_no_duplicates_are_something_wrong() -> None:
    """Counted once however often the queue brings them back, and told by the exit code."""

    def live(day: Day) -> None:
        body = start("one")
        day.deliver(body)
        other = start("other")
        other["detail"]["IdempotencyKey"] = body["detail"]["IdempotencyKey"]
        day.deliver(other, Cause.NOT_A_DUPLICATE, message_id="m")
        day.deliver(other, Cause.NOT_A_DUPLICATE, message_id="m", ApproximateReceiveCount="2")

    said = run(["duplicates", "--json"], "\n".join(Day(JsonFormatter()).log(live)))
    assert said.exit is Exit.FOUND
    assert said.data["not_a_duplicate"]["messages"] == 1
    assert said.data["duplicates"] == 0
    assert said.data["causes"] == {}
    assert said.data["over_time"] == []
    assert "1 message not_a_duplicate" in said.err


def test_a_log_without_duplicates_is_good_news() -> None:
    """It could be read, and there are none."""
    said = run(["duplicates"], "\n".join(Day(JsonFormatter()).log(_one)))
    assert said.exit is Exit.OK
    assert "no duplicates in 1 log line and 0 records" in said.err


def _one(day: Day) -> None:
    day.deliver(start("one"))


@pytest.mark.parametrize("nothing", ["", "\n", "[]\n", "None\n"])
def test_a_day_without_duplicates_is_a_success(nothing: str) -> None:
    """README's filter lets no line of it through."""
    said = run(["duplicates"], nothing)
    assert said.exit is Exit.OK
    assert "no duplicates in 0 log lines" in said.err


def test_what_waits_is_counted_when_it_comes_back() -> None:
    """A key in progress is no duplicate yet."""
    line = {"cxone_idem": {"status": "in_progress", "cause": "sqs_redelivered", "key": "k"}}
    said = run(["duplicates", "--json"], json.dumps(line))
    assert said.exit is Exit.OK
    assert said.data["duplicates"] == 0
    assert "1 delivery more found the key in progress" in said.err


@pytest.mark.parametrize(
    "nothing",
    ["plain text\n", "[1]", '{"message": "{"}', '"', "{" * 3000, '{"id": {"S": ""}}', "[{}]"],
)
def test_input_of_another_kind_is_refused(nothing: str) -> None:
    """With words about what was expected."""
    said = run(["duplicates"], nothing)
    assert said.exit is Exit.FAILED
    assert said.out == ""
    assert "expected JSON log lines" in said.err
    is_json = nothing.startswith(('{"', "[{"))
    assert ("log format must be JSON" in said.err) == (not is_json)


def test_records_tell_what_they_can() -> None:
    """Redelivered, replayed, and one event under two keys, which then ran twice."""
    origins = {
        "a": Origin("event-1", "m1", 1, 1000),
        "b": Origin("event-1", "m2", 1, 2000),
        "c": Origin("event-2", "m3", 2, 3000),
        "d": Origin("event-3", "m4", 1, 4000, "new-year"),
        "e": Origin(),
    }
    layout = Layout("pk", "ttl")
    items = [
        layout.to_item(Record(key, State.DONE, "v", 1, 0, None, 5000, 6000, origin=origin))
        for key, origin in origins.items()
    ]
    exported = [{"Item": item} for item in items[:3]] + items[3:] + [{"pk": {"S": "f"}, "state": 1}]
    said = run(
        ["duplicates", "--json"],
        "\n".join(map(json.dumps, exported)),
        CXONE_IDEM_PARTITION_KEY="pk",
        CXONE_IDEM_TTL_ATTRIBUTE="ttl",
    )
    assert said.exit is Exit.OK
    assert said.data["records"] == 5
    causes = said.data["causes"]
    assert {name: told["duplicates"] for name, told in causes.items()} == {
        "eventbridge_delivered_twice": 1,
        "sqs_redelivered": 1,
        "archive_replay": 1,
    }
    assert causes["eventbridge_delivered_twice"]["examples"][0]["first_key"] == "a"
    assert "what was dropped is in the log" in said.err


def test_a_terminal_gets_bars_that_fit_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The causes with their colours and numbers, then a bar for each period."""
    monkeypatch.setattr("cxone_idem.cli.output.on_terminal", lambda: True)
    monkeypatch.setattr("cxone_idem.cli.duplicates.on_terminal", lambda: True)
    lines, _ = ordinary("Lambda")
    said = run(["duplicates"], "\n".join(lines), COLUMNS="80")
    assert "█" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert re.search(r"^█ eventbridge_delivered_twice +24$", said.out, re.MULTILINE)
    assert re.search(r"^2027-01-01 09:00  █+ \d+$", said.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("written", "at_ms"),
    [
        ("2027-01-01T01:00:00Z", 1_798_765_200_000),
        ("2027-01-01 01:00:00,123+0000", 1_798_765_200_000),
        ("2027-01-01 02:00:00.123+01:00", 1_798_765_200_000),
        (1_798_765_200_000, 1_798_765_200_000),
        (1_798_765_200, 1_798_765_200_000),
        (1_798_765_200.5, 1_798_765_200_500),
        (1_798_765_200_000_000, 1_798_765_200_000),
        (1_798_765_200_000_000_000, 1_798_765_200_000),
        (-1, 7),
        (10**30, 7),
        (float("inf"), 7),
        (float("nan"), 7),
        ("0001-01-01T00:00:00+01:00", 7),
        ("9999-12-31T23:59:59-01:00", 7),
        ("2027-13-01T01:00:00Z", 7),
        ("soon", 7),
        (True, 7),
        (None, 7),
    ],
)
def test_times_are_read_as_formatters_write_them(written: object, at_ms: int) -> None:
    """Without a legible time the message's own counts."""
    fields = {"status": "same_batch", "cause": "unknown", "key": "k", "sent_at_ms": 7}
    log = LogReader(Layout())
    log.read([json.dumps({"timestamp": written, "cxone_idem": fields})])
    (duplicate,) = log.duplicates
    assert duplicate.at_ms == at_ms


@pytest.mark.parametrize(
    ("span_seconds", "rows"), [(0, 1), (2000, 34), (86_400, 25), (864_000, 41), (8_640_000, 101)]
)
def test_periods_fit_a_screen(span_seconds: int, rows: int) -> None:
    """Minutes for an hour, hours for a day, days for what is longer."""
    lines = [
        json.dumps(
            {"cxone_idem": {"status": "same_batch", "cause": "unknown", "sent_at_ms": at_ms}}
        )
        for at_ms in (0, span_seconds * 1000)
    ]
    said = run(["duplicates"], "\n".join(lines))
    assert len(said.out.splitlines()) == rows + 1


@pytest.mark.parametrize("wrong", [{"cause": ["x"]}, {"status": {}}, {"cause": None}])
def test_a_bad_line_is_skipped_and_counted(wrong: dict[str, Any]) -> None:
    """The rest is reported all the same."""
    good = {"status": "same_batch", "cause": "unknown", "key": "k"}
    lines = [json.dumps({FIELD: fields}) for fields in (good, {**good, **wrong}, good)]
    said = run(["duplicates", "--json"], "\n".join([*lines, "[" * 900 + "]" * 900]))
    assert said.exit is Exit.OK
    assert said.data["duplicates"] == 2
    assert said.data["skipped"] == 1
    assert "1 line skipped" in said.err


def test_times_far_apart_leave_out_what_is_empty() -> None:
    """One line of another century must not print every day between."""
    lines = [
        json.dumps(
            {"timestamp": at, FIELD: {"status": "same_batch", "cause": "unknown", "key": "k"}}
        )
        for at in ("1971-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
    ]
    assert len(run(["duplicates"], "\n".join(lines)).out.splitlines()) == 3


def test_records_are_read_as_the_cli_prints_a_table() -> None:
    """One document of `aws dynamodb scan`."""
    record_ = Record("k", State.DONE, "v", 1, 0, None, 5000, 6000, origin=Origin("e", "m", 2, 1))
    scanned = {"Items": [Layout().to_item(record_)], "Count": 1}
    said = run(["duplicates", "--json"], json.dumps(scanned, indent=4))
    assert said.data["records"] == said.data["duplicates"] == 1


def test_a_terminal_without_unicode_gets_bars_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a character that it has."""
    monkeypatch.setattr("cxone_idem.cli.duplicates.on_terminal", lambda: True)
    lines, _ = ordinary("Lambda")
    done = CliRunner(charset="ascii").invoke(cli, ["duplicates"], input="\n".join(lines))
    assert done.exit_code == Exit.OK
    assert re.search(r"^2027-01-01 09:00  #+ \d+$", done.stdout, re.MULTILINE)
