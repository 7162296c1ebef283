"""The command line: what it prints where, what it ends with, and what it leaves alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from cxone_idem import Config, Deduplicator
from cxone_idem.cli.app import COMMANDS, cli
from cxone_idem.cli.output import (
    Exit,
    describe,
    duration,
    format_time,
    print_json,
    print_table,
    progress,
)
from cxone_idem.record import NO_VERSION, Origin, Record, State
from cxone_idem.setting import variable
from cxone_idem.stores.dynamodb_admin import RecordReader
from cxone_idem.stores.dynamodb_errors import Source, as_store_error
from cxone_idem.stores.dynamodb_item import Layout
from tests.support.command import Said, run
from tests.support.documents import code_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_MS = 1_800_000_000_000
"""2027-01-15 08:00:00 UTC."""


@pytest.fixture
def call(items: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Return what runs a command on a fresh table of each engine."""
    # One session for all of them: a command loads its service model once, a test file need not.
    monkeypatch.setattr("botocore.session.get_session", one_session)

    def run_here(*arguments: str, typed: str = "", **environ: str) -> Said:
        settings = {"CXONE_IDEM_TABLE": items.name, **environ}
        if items.endpoint:
            settings["AWS_ENDPOINT_URL_DYNAMODB"] = items.endpoint
        return run(arguments, typed, **settings)

    return run_here


@cache
def one_session() -> Session:
    """Return the same session at every call."""
    return Session()


def deduplicator(table: Any, **settings: Any) -> Deduplicator:
    """Return a consumer on a table."""
    return Deduplicator(table.store(), Config(table=table.name, **settings))


def lapsed(table: Any, key: str) -> Any:
    """Claim a key under a lease that is over: the item says so, whatever the clocks."""
    claim = deduplicator(table).claim(key, origin=Origin(event_id="event-1"))
    assert claim
    item = table.item(key)
    item["lease_until_ms"] = {"N": "1000"}
    table.put_raw(item)
    return claim


# -- show


def test_show_tells_what_stands_there(items: Any, call: Callable[..., Said]) -> None:
    """State, delivery and the lease by the store's own time, as lines for programs and people."""
    assert deduplicator(items, lease_seconds=3000).claim("k", origin=Origin(event_id="event-1"))
    said = call("show", "k")
    rows = dict(line.split("\t") for line in said.out.splitlines())
    assert said.exit is Exit.OK
    assert said.err == ""
    assert rows["state"].startswith("IN_PROGRESS: a worker has it")
    assert rows["claimed for"] == "EventBridge event event-1"
    assert rows["lease"] == "ends in at most 50 min"
    assert rows["generation"] == "1: the first attempt"


def test_show_as_json_is_the_record(items: Any, call: Callable[..., Said]) -> None:
    """Every field under its own name and unit."""
    with_namespace = deduplicator(items, namespace="mine")
    with_namespace.claim("k")
    with_namespace.complete("k")
    said = call("show", "k", "--json", CXONE_IDEM_NAMESPACE="mine")
    record = RecordReader(Config(table=items.name), items.client).get("mine#k").record
    assert record
    assert said.data["state"] == "DONE"
    assert {name: said.data[name] for name in ("version", "done_at_ms", "expires_at")} == {
        "version": record.version,
        "done_at_ms": record.done_at_ms,
        "expires_at": record.expires_at,
    }
    assert not said.data["lease_over"]
    assert not said.data["past_retention"]
    assert said.data["store_time_ms"] >= record.claimed_at_ms - 5000  # type: ignore[operator]


def test_show_says_where_it_looked(call: Callable[..., Said]) -> None:
    """No record is an exit code of its own; the namespace is what people forget."""
    said = call("show", "k")
    assert said.exit is Exit.NOT_FOUND
    assert said.out == ""
    assert "no record at 'k' in table 'idem-" in said.err
    assert "set CXONE_IDEM_NAMESPACE" in said.err
    said = call("show", "k", CXONE_IDEM_NAMESPACE="mine")
    assert "no record at 'mine#k'" in said.err
    assert "set CXONE_IDEM_NAMESPACE" not in said.err


def test_what_cannot_be_read_is_an_error_that_says_what_to_do(
    items: Any, call: Callable[..., Said]
) -> None:
    """A foreign item, no table, a wrong setting: one line on stderr, nothing on stdout."""
    items.put_raw({"id": {"S": "k"}, "version": {"S": "1.0"}})
    for arguments, environ, words in [
        (("show", "k"), {}, "was not written by this library"),
        (("show", "k"), {"CXONE_IDEM_TABLE": "not-there"}, "no such table"),
        (("show", "k"), {"CXONE_IDEM_LEASE_SECONDS": "soon"}, "CXONE_IDEM_LEASE_SECONDS='soon'"),
        (("release", " "), {}, "the key is blank"),
    ]:
        said = call(*arguments, **environ)
        expected = Exit.NOT_FOUND if words == "no such table" else Exit.FAILED
        assert (said.exit, said.out) == (expected, "")
        assert words in said.err


def test_a_look_misses_no_write(items: Any) -> None:
    """It asks for a consistent read: the write of a moment ago is what people look for."""
    asked = []
    items.client.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params)
    )
    RecordReader(Config(table=items.name), items.client).get("k")
    assert [each["ConsistentRead"] for each in asked] == [True]


def test_decoding_is_allowed_by_its_own_permission() -> None:
    """Who may not read is told which action to allow."""
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetItem")
    assert "allow dynamodb:GetItem" in str(as_store_error(denied, Source("t", Layout(), "GetItem")))


# -- a record in words


def record(**changes: Any) -> Record:
    """Return a record in progress, claimed a minute before now."""
    values: dict[str, Any] = {
        "partition_key": "k",
        "state": State.IN_PROGRESS,
        "version": "v",
        "generation": 1,
        "lease_until_ms": NOW_MS + 1,
        "expires_at": NOW_MS // 1000 + 14 * 86_400,
        "claimed_at_ms": NOW_MS - 60_000,
    }
    return Record(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({}, "state", "IN_PROGRESS: a worker has it"),
        ({}, "lease", "ends in at most 0 s"),
        ({}, "claimed", "2027-01-15 07:59:00 UTC, 60 s ago"),
        ({}, "done", "not recorded"),
        ({}, "retention", "until 2027-01-29 08:00:00 UTC, in 14 days"),
        ({"lease_until_ms": NOW_MS}, "state", "IN_PROGRESS, but its lease is over"),
        (
            {"lease_until_ms": NOW_MS - 7_200_000},
            "lease",
            "over since 2027-01-15 06:00:00 UTC, 2 h",
        ),
        ({"generation": 3}, "generation", "3: attempted 3 times"),
        ({"state": State.RELEASED}, "state", "RELEASED: given up undone"),
        ({"state": State.RELEASED, "done_at_ms": NOW_MS}, "state", "RELEASED: done, and made"),
        ({"state": State.RELEASED}, "lease", "none"),
        ({"state": State.DONE, "done_at_ms": NOW_MS}, "done", "2027-01-15 08:00:00 UTC, 0 s ago"),
        ({"state": State.DONE}, "state", "DONE: every further delivery is dropped"),
        ({"state": State.DONE, "expires_at": 5}, "state", "DONE, but past its retention"),
        ({"state": State.DONE, "expires_at": None}, "state", "DONE: every further delivery"),
        ({"expires_at": None}, "retention", "no end"),
        ({"expires_at": 10**13}, "retention", "until 10000000000000000 ms, past the year 9999"),
        ({"state": State.DONE, "version": NO_VERSION}, "version", "none: written before"),
        ({"origin": Origin()}, "claimed for", "a delivery that was not recorded"),
        (
            {"origin": Origin("e", "m", 2, NOW_MS, "replay", "request")},
            "claimed for",
            "EventBridge event e, SQS message m, receive count 2, sent 2027-01-15 08:00:00 UTC",
        ),
    ],
)
def test_a_record_in_words(changes: dict[str, Any], name: str, words: str) -> None:
    """Each state, and each side of each point in time, reads differently."""
    assert dict(describe(record(**changes), NOW_MS))[name].startswith(words)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 s"),
        (119_000, "119 s"),
        (120_000, "2 min"),
        (-7_200_000, "2 h"),
        (864e5 * 2, "2 days"),
    ],
)
def test_durations_are_in_the_unit_people_count_in(milliseconds: int, words: str) -> None:
    """From two of a unit on."""
    assert duration(milliseconds) == words


def test_a_moment_is_in_utc() -> None:
    """Whatever the machine's zone."""
    assert format_time(NOW_MS) == "2027-01-15 08:00:00 UTC"


# -- release


def test_release_asks_and_frees_a_key_whose_lease_is_over(
    items: Any, call: Callable[..., Said]
) -> None:
    """The next delivery takes it with the next generation; the late worker changes nothing."""
    late = lapsed(items, "k")
    said = call("release", "k", typed="y\n")
    assert said.exit is Exit.OK
    assert said.out == ""
    assert "claimed for EventBridge event event-1" in said.err
    assert items.item("k")["state"] == {"S": "RELEASED"}
    assert items.item("k")["generation"] == {"N": "1"}
    assert "newer" not in said.err
    with pytest.raises(Exception, match="nothing was changed"):
        late.complete()
    again = deduplicator(items).claim("k")
    assert again
    assert again.generation == 2


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_release_does_nothing_unless_told(
    items: Any, call: Callable[..., Said], typed: str
) -> None:
    """No, nothing, and nobody there to answer are all no."""
    lapsed(items, "k")
    before = items.item("k")
    assert call("release", "k", typed=typed).exit is Exit.REFUSED
    assert items.item("k") == before


def test_release_yes_is_for_what_is_safe(items: Any, call: Callable[..., Said]) -> None:
    """A script can release a lease that is over, and never one that runs."""
    lapsed(items, "k")
    assert call("release", "k", "--yes").exit is Exit.OK
    assert deduplicator(items, lease_seconds=600).claim("k")
    before = items.item("k")
    said = call("release", "k", "--yes", typed="k\n")
    assert said.exit is Exit.REFUSED
    assert "its worker may be at work" in said.err
    assert items.item("k") == before


def test_a_running_lease_takes_a_person_who_types_the_key(
    items: Any, call: Callable[..., Said]
) -> None:
    """Any other word is a no; the key itself says that the worker is known to be dead."""
    worker = deduplicator(items, lease_seconds=600).claim("k")
    assert worker
    for typed in ("y\n", "yes\n", "K\n", "\n", ""):
        said = call("release", "k", typed=typed)
        assert said.exit is Exit.REFUSED
        assert "THE WORK WILL BE DONE TWICE" in said.err
        assert items.item("k")["state"] == {"S": "IN_PROGRESS"}
    assert call("release", "k", typed="k\n").exit is Exit.OK
    assert items.item("k")["state"] == {"S": "RELEASED"}


def test_what_is_done_is_never_released(items: Any, call: Callable[..., Said]) -> None:
    """Neither a record nor a marker from before this library."""
    consumer = deduplicator(items)
    consumer.claim("k")
    consumer.complete("k")
    items.put_raw({"id": {"S": "marker"}})
    for key in ("k", "marker"):
        before = items.item(key)
        said = call("release", key, "--yes", typed=f"{key}\n")
        assert said.exit is Exit.REFUSED
        assert "would have it done again" in said.err
        assert items.item(key) == before


def test_a_key_that_is_free_already_is_left_alone(items: Any, call: Callable[..., Said]) -> None:
    """Released, past its retention, or not there at all."""
    consumer = deduplicator(items)
    consumer.claim("k")
    consumer.release("k")
    items.put_raw({"id": {"S": "old"}, "expires_at": {"N": "5"}})
    for key in ("k", "old"):
        before = items.item(key)
        said = call("release", key)
        assert said.exit is Exit.OK
        assert "free already" in said.err
        assert items.item(key) == before
    assert call("release", "absent").exit is Exit.NOT_FOUND


def test_release_never_writes_over_what_it_has_not_seen(
    items: Any, call: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker takes over while the question stands: its claim is left as it is."""
    lapsed(items, "k")
    get = RecordReader.get

    def get_then_lose(self: RecordReader, partition_key: str) -> Any:
        seen = get(self, partition_key)
        assert deduplicator(items).claim("k")
        return seen

    monkeypatch.setattr(RecordReader, "get", get_then_lose)
    said = call("release", "k", "--yes")
    assert said.exit is Exit.REFUSED
    assert "changed in the meantime" in said.err
    assert items.item("k")["state"] == {"S": "IN_PROGRESS"}
    assert items.item("k")["generation"] == {"N": "2"}


# -- create-table


@pytest.fixture
def names(items: Any) -> str:
    """Return a name that no table has."""
    return f"{items.name}-new"


def test_create_table_makes_what_a_consumer_needs(
    items: Any, call: Callable[..., Said], names: str
) -> None:
    """On-demand, TTL on the right attribute, protected; a second run finds it right."""
    settings = {
        "CXONE_IDEM_TABLE": names,
        "CXONE_IDEM_PARTITION_KEY": "pk",
        "CXONE_IDEM_TTL_ATTRIBUTE": "ttl",
    }
    said = call("create-table", **settings)
    assert (said.exit, said.out) == (Exit.OK, "")
    table = items.client.describe_table(TableName=names)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert table.get("DeletionProtectionEnabled", True)
    ttl = items.client.describe_time_to_live(TableName=names)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "ttl"
    again = call("create-table", **settings)
    assert again.exit is Exit.OK
    assert "right already" in again.err


def test_create_table_finishes_what_was_begun(items: Any, call: Callable[..., Said]) -> None:
    """The right key and TTL off: it asks, then switches TTL on."""
    assert call("create-table", typed="n\n").exit is Exit.REFUSED
    described = items.client.describe_time_to_live(TableName=items.name)
    assert described["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    assert call("create-table", typed="y\n").exit is Exit.OK
    assert "right already" in call("create-table").err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"CXONE_IDEM_PARTITION_KEY": "pk"}, "its key is id (HASH, S), expected pk (HASH, S)"),
        ({"CXONE_IDEM_TTL_ATTRIBUTE": "ttl"}, "its TTL is on for 'expires_at', expected 'ttl'"),
    ],
)
def test_create_table_refuses_another_table(
    call: Callable[..., Said], settings: dict[str, str], words: str
) -> None:
    """What exists and is different is left as it is."""
    assert call("create-table", "--yes").exit is Exit.OK
    said = call("create-table", "--yes", **settings)
    assert said.exit is Exit.REFUSED
    assert words in said.err


# -- config


def test_config_tells_what_is_in_force_and_from_where() -> None:
    """The environment, the function's name, or the default."""
    said = run(["config", "--json"], CXONE_IDEM_TABLE="t", AWS_LAMBDA_FUNCTION_NAME="my-function")
    assert said.exit is Exit.OK
    settings = {each["variable"]: (each["value"], each["from"]) for each in said.data["settings"]}
    assert settings["CXONE_IDEM_TABLE"] == ("t", "environment")
    assert settings["CXONE_IDEM_NAMESPACE"] == ("my-function", "AWS_LAMBDA_FUNCTION_NAME")
    assert settings["CXONE_IDEM_LEASE_SECONDS"] == (300, "default")
    assert set(settings) == {variable(setting.name) for setting in fields(Config)}


def test_config_tells_every_mistake_at_once() -> None:
    """All of them on stderr and in the JSON; what the environment says is shown as it is."""
    wrong = {"CXONE_IDEM_LEASE_SECONDS": "soon", "CXONE_IDEM_TTL": "x"}
    said = run(["config", "--json"], **wrong)
    assert said.exit is Exit.FOUND
    assert len(said.data["mistakes"]) == said.err.count("wrong: ") == 2
    for name in wrong:
        assert name in said.err
    shown = {each["variable"]: each["value"] for each in said.data["settings"]}
    assert shown["CXONE_IDEM_LEASE_SECONDS"] == "soon"


# -- terminals


class Terminal(io.StringIO):
    """A stdout that people look at."""

    def isatty(self) -> bool:
        return True


def test_a_table_is_drawn_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere rows are lines of cells between tabs; brackets are text in both."""
    rows = [("k", "[bold]a key[/bold]\n")]
    print_table(("key", "value"), rows)
    assert capsys.readouterr().out == "key\tvalue\nk\t[bold]a key[/bold]\n"
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    print_table(("key", "value"), rows)
    drawn = terminal.getvalue()
    assert "\t" not in drawn
    assert "┃" in drawn
    assert "[bold]a key[/bold]" in drawn


def test_a_word_too_long_for_a_table_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut, a key could not be pasted into another command."""
    terminal, key = Terminal(), "k" * 90
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    print_table(("message", "key", "reason"), [("m", key, "done")])
    print_table(("what", "value"), [("record", key)])
    drawn = terminal.getvalue()
    assert f"key      {key}\nreason   done\n\n" in drawn
    assert f"record  {key}\n" in drawn


def test_an_encoding_without_a_character_escapes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In JSON as JSON has it."""
    monkeypatch.setattr("cxone_idem.cli.output.writes_unicode", lambda: False)
    print_json({"key": "ö"})
    assert capsys.readouterr().out == '{"key": "\\u00f6"}\n'


def test_json_is_one_line_but_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs that read lines get one."""
    print_json({"key": ["ö"]})
    assert capsys.readouterr().out == '{"key": ["ö"]}\n'
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    print_json({"key": []})
    assert terminal.getvalue() == '{\n  "key": []\n}\n'


# -- the group


def test_it_names_every_setting_and_exit_code() -> None:
    """They are made from `Config` and `Exit`, so that they cannot drift."""
    listed = run(["config"]).out
    for setting in fields(Config):
        assert f"\n{variable(setting.name)}\t" in listed
        assert f"\t{setting.metadata['meaning']}\n" in listed
    flat = " ".join(run(["--help"]).out.split())
    for code in Exit:
        assert f"{code.value} {code.name}: {code.meaning}" in flat


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_a_screen(name: str) -> None:
    """24 lines of 80 columns: of each command the variables that it reads, of all a sentence."""
    said = run([*name.split(), "--help"])
    lines = said.out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert ("Environment: " in said.out) == bool(name)
    assert "..." not in said.out.removesuffix("KEY...").replace("KEY...", "").replace(
        "ARGS]...", ""
    )


@pytest.mark.parametrize(
    "name", ["show", "release", "redo", "dead-letters", "create-table", "selftest", "consume"]
)
def test_commands_that_look_at_records_say_where(name: str) -> None:
    """By the same four options."""
    text = run([name, "--help"]).out
    for option in ("--table", "--namespace", "--region", "--function"):
        assert option in text
    assert "--region" in run(["doctor", "--help"]).out


@pytest.mark.parametrize("option", ["--table", "--namespace", "--region", "--function"])
def test_a_blank_name_is_wrong_usage(option: str) -> None:
    """A shell's unset variable does not choose the default table."""
    said = run(["show", "k", option, " "])
    assert said.exit is Exit.USAGE
    assert "it is blank, expected a name" in said.err
    assert run(["doctor", "--queue", ""]).exit is Exit.USAGE


def test_options_go_before_variables(items: Any, call: Callable[..., Said]) -> None:
    """And what they set is gone afterwards."""
    assert deduplicator(items, namespace="mine").claim("k")
    before = dict(os.environ)
    other = {"CXONE_IDEM_TABLE": "not-there", "CXONE_IDEM_NAMESPACE": "other"}
    said = call("show", "k", "--json", "--table", items.name, "--namespace", "mine", **other)
    assert said.data["partition_key"] == "mine#k"
    assert said.data["table"] == items.name
    assert dict(os.environ) == before
    assert call("show", "k", "--region", "no region at all").exit is Exit.FAILED


def test_show_takes_several_keys(items: Any, call: Callable[..., Said]) -> None:
    """One object a line; a key without a record does not keep the others back."""
    for key in ("a", "b"):
        assert deduplicator(items).claim(key)
    items.put_raw({"id": {"S": "foreign"}, "version": {"S": "1.0"}})
    said = call("show", "a", "absent", "", "foreign", "b", "--json")
    assert said.exit is Exit.NOT_FOUND
    assert "the key is blank" in said.err
    assert "was not written by this library" in said.err
    assert [json.loads(line)["partition_key"] for line in said.out.splitlines()] == ["a", "b"]
    assert "no record at 'absent'" in said.err


def test_a_missing_table_has_its_exit_code(call: Callable[..., Said]) -> None:
    """What is not in the account is not found, as `--help` says."""
    assert call("show", "k", "--table", "not-there").exit is Exit.NOT_FOUND


def test_an_error_is_one_line() -> None:
    """Wrong usage too."""
    for arguments in (
        ["show"],
        ["nothing"],
        ["--nothing"],
        ["show", "k", "--tabel", "t"],
        ["duplicates", "none"],
        ["doctor", "--function", "\udcff"],
    ):
        said = run(arguments)
        assert said.exit is Exit.USAGE
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1


def test_progress_is_shown_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere nothing."""
    assert list(progress([1, 2], "things")) == [1, 2]
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert list(progress([1, 2], "things")) == [1, 2]
    assert "things" in terminal.getvalue()


def test_wrong_usage_is_said_so() -> None:
    """Click's own code is the one that `Exit` names."""
    assert run(["show"]).exit is Exit.USAGE
    assert run(["nothing"]).exit is Exit.USAGE


def module(*arguments: str, code: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m cxone_idem`, or code, in a fresh interpreter."""
    start = ["-c", code] if code else ["-m", "cxone_idem"]
    return subprocess.run(
        [sys.executable, "-W", "error", *start, *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_runs_as_a_module() -> None:
    """Data on stdout with no colours and no frame, words on stderr, a code for the shell."""
    done = module("config", CXONE_IDEM_LEASE="9")
    assert done.returncode == Exit.FOUND
    assert "CXONE_IDEM_TABLE\tcxone-idem\tdefault\tDynamoDB table" in done.stdout
    assert "\x1b" not in done.stdout
    assert "CXONE_IDEM_LEASE is not a setting" in done.stderr


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    """One line, not a traceback."""
    code = f"""
import sys
sys.modules[{missing!r}] = None
from cxone_idem.__main__ import main
main()
"""
    done = module(code=code)
    assert done.returncode == 1
    assert done.stderr == (
        f"the command line needs {missing}: pip install 'cxone_idem-….whl[cli]' of your wheel,"
        " or in a copy of the repository pip install '.[cli]'\n"
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AWS_PROFILE": "nope"}, "profile (nope)"),
        ({"AWS_CONFIG_FILE": __file__}, "Unable to parse config file"),
        ({"AWS_ENDPOINT_URL": "127.0.0.1:9"}, "AWS_ENDPOINT_URL is '127.0.0.1:9', which is no URL"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "http://[::1"}, "begin it with https:// or http://"),
        ({"AWS_DEFAULTS_MODE": "x"}, "invalid defaults mode: x"),
    ],
)
def test_what_the_sdk_cannot_use_is_an_error_of_one_line(
    environ: dict[str, str], words: str
) -> None:
    """A profile, a file, an endpoint: each is named."""
    done = module("show", "k", **environ)
    assert done.returncode == Exit.FAILED
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("config > /dev/full", "No space left"),
        ("config --json > /dev/full", "No space left"),
        ("--help > /dev/full", "No space left"),
        ("config >&-", "stdout is closed"),
        ("duplicates <&-", "stdin is closed"),
    ],
)
def test_streams_that_fail_are_an_error_of_one_line(command: str, words: str) -> None:
    """A full disk, a closed stream: nothing is taken for done."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m cxone_idem {command}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.FAILED
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_a_lambda_function_carries_none_of_it() -> None:
    """Neither the import nor making the DynamoDB store loads the terminal's libraries."""
    code = """
import sys
import cxone_idem
cxone_idem.Deduplicator.from_environ()
print(sorted({"click", "rich", "cxone_idem.cli", "cxone_idem.doctor"} & set(sys.modules)))
"""
    done = module(code=code)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_commands_are_imported_when_asked_for() -> None:
    """What one command needs is not loaded for another."""
    assert callable(cli)
    code = """
import sys
from cxone_idem.cli.app import cli
cli(["config"], standalone_mode=False)
print(sorted(name for name in sys.modules if name in ("botocore", "cxone_idem.cli.records")))
"""
    assert module(code=code).stdout.splitlines()[-1] == "[]"


def test_readmes_completion_completes() -> None:
    """The shell gets a function, and the function gets commands, as click makes both."""
    (block,) = code_blocks("Shell completion", "sh")
    assert block.startswith('eval "$(_CXONE_IDEM_COMPLETE=bash_source cxone-idem)" ')
    script = module(_CXONE_IDEM_COMPLETE="bash_source").stdout
    assert "complete -o nosort -F _cxone_idem_completion cxone-idem" in script
    typed = {"COMP_WORDS": "cxone-idem self", "COMP_CWORD": "1"}
    assert "selftest" in module(_CXONE_IDEM_COMPLETE="bash_complete", **typed).stdout
