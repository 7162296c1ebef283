"""Settings: where each value is from, and every mistake at once."""

from __future__ import annotations

from typing import Any

import pytest
from jmespath.functions import Functions

from cxone_idem import Config, ConfigError, Deduplicator, once


def test_an_empty_environment_gives_the_defaults() -> None:
    """Unset and empty are the same."""
    assert Config.from_environ({}) == Config()
    assert Config.from_environ({"CXONE_IDEM_TABLE": "", "CXONE_IDEM_KEY": "  "}) == Config()


def test_every_variable_is_read() -> None:
    """Each setting has its variable."""
    environ = {
        "CXONE_IDEM_TABLE": "t",
        "CXONE_IDEM_NAMESPACE": "n",
        "CXONE_IDEM_KEY": "id",
        "CXONE_IDEM_LEASE_SECONDS": "12.5",
        "CXONE_IDEM_RETENTION_SECONDS": "3600",
        "CXONE_IDEM_PARTITION_KEY": "pk",
        "CXONE_IDEM_TTL_ATTRIBUTE": "ttl",
        "CXONE_IDEM_MIN_REMAINING_SECONDS": "2",
        "CXONE_IDEM_WAIT_SECONDS": "5",
        "CXONE_IDEM_MAX_ATTEMPTS": "3",
        "CXONE_IDEM_DISABLED": "true",
    }
    assert Config.from_environ(environ) == Config(
        table="t",
        namespace="n",
        key="id",
        lease_seconds=12.5,
        retention_seconds=3600,
        partition_key="pk",
        ttl_attribute="ttl",
        min_remaining_seconds=2,
        wait_seconds=5,
        max_attempts=3,
        disabled=True,
    )


@pytest.mark.parametrize(
    ("set_to", "namespace"), [(None, "my-function"), ("mine", "mine"), ("none", "")]
)
def test_the_namespace_is_the_functions_name_unless_said(
    set_to: str | None, namespace: str
) -> None:
    """Two functions on one table are apart by default; `none` keeps keys as they are."""
    environ = {"AWS_LAMBDA_FUNCTION_NAME": "my-function"}
    if set_to:
        environ["CXONE_IDEM_NAMESPACE"] = set_to
    assert Config.from_environ(environ).namespace == namespace


def test_all_mistakes_are_reported_at_once() -> None:
    """Variable, value and expectation, for each wrong one, in one error."""
    environ = {
        "CXONE_IDEM_LEASE_SECONDS": "soon",
        "CXONE_IDEM_RETENTION_SECONDS": "5",
        "CXONE_IDEM_KEY": "detail.[",
        "CXONE_IDEM_DISABLED": "perhaps",
        "CXONE_IDEM_TTL_ATTRIBUTE": "version",
        "CXONE_IDEM_NAMESPACE": "a#b",
        "CXONE_IDEM_LEASE": "60",
    }
    with pytest.raises(ConfigError) as caught:
        Deduplicator.from_environ(environ)
    said = str(caught.value)
    assert len(caught.value.mistakes) == len(environ)
    for name, value in environ.items():
        assert name in said
        assert value in said or name == "CXONE_IDEM_LEASE"
    assert "from 60 to 315,360,000" in said


PROJECTIONS = [
    "detail.items[].id",
    "detail.items[*].id",
    "detail.*",
    "*",
    "detail.items[?id].id",
    "detail.items[0:2]",
    "detail.items[::-1]",
    "[id, detail.items[].id]",
    "{a: id, b: detail.items[*]}",
    "length(detail.items[])",
    "join('-', detail.items[*].id)",
    "map(&ids[], detail.items)",
    "detail.items[?main] | [0].id",
    "detail.absent || detail.items[]",
    "from_json(Message).items[].id",
    "!detail.items[]",
]
WRONG_CALLS = [
    "unknown(id)",
    "[id, detail | unknown(@)]",
    "length()",
    "length(id, id)",
    "join('-')",
    "not_null()",
    "map(id, items)",
    "sort_by(items, id)",
    "&id",
    "[&id]",
    "to_string(&id)",
    "length(&id)",
    "not_null(id, &id)",
    "merge(detail, 'x')",
    "length(`5`)",
    "join(`1`, names)",
    "from_json(`1`)",
]


@pytest.mark.parametrize("expression", PROJECTIONS)
def test_a_projection_is_no_key(expression: str) -> None:
    """It leaves out what is missing, so two lists can read the same; a fingerprint may have one."""
    with pytest.raises(ConfigError, match=r"CXONE_IDEM_KEY=.* leaves out what is missing"):
        Config.from_environ({"CXONE_IDEM_KEY": expression})
    with pytest.raises(ConfigError, match=r"key=.* leaves out what is missing"):
        once(key=expression)
    assert Config(fingerprint=expression).fingerprint == expression


@pytest.mark.parametrize("expression", WRONG_CALLS)
def test_what_fails_in_every_event_is_a_mistake_of_the_setting(expression: str) -> None:
    """An unknown function, too few arguments, or one that can never fit: an error at once."""
    for name in ("CXONE_IDEM_KEY", "CXONE_IDEM_FINGERPRINT"):
        with pytest.raises(ConfigError, match=name):
            Config.from_environ({name: expression})
    with pytest.raises(ConfigError, match="key="):
        once(key=expression)


def test_a_wrong_number_of_arguments_is_counted() -> None:
    """One is not many."""
    with pytest.raises(ConfigError, match=r"join\(\) with 1 argument, expected 2"):
        Config(key="join('-')")


@pytest.mark.parametrize("name", sorted(Functions.FUNCTION_TABLE))
def test_every_function_of_jmespath_can_be_called(name: str) -> None:
    """With as many arguments as it takes, and with as many more as it allows."""
    wanted = Functions.FUNCTION_TABLE[name]["signature"]
    arguments = ["&id" if each["types"] == ["expref"] else "detail" for each in wanted]
    if wanted[-1].get("variadic"):
        arguments += arguments * 2
    Config(key=f"{name}({', '.join(arguments)})")


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": ""},
        {"table": None},
        {"table": "\udcff"},
        {"partition_key": "x" * 256},
        {"ttl_attribute": "expires\n"},
        {"partition_key": "expires_at"},
        {"ttl_attribute": "state"},
        {"namespace": None},
        {"namespace": "\ud800"},
        {"namespace": "n" * 256},
        {"key": ""},
        {"key": None},
        pytest.param({"key": "id[" + "9" * 5000 + "]"}, id="huge-index"),
        pytest.param({"key": "(" * 5000 + "id"}, id="deep-expression"),
        {"lease_seconds": 0},
        {"lease_seconds": "60"},
        {"lease_seconds": float("nan")},
        {"lease_seconds": True},
        {"min_remaining_seconds": -1},
        {"wait_seconds": 901},
        {"max_attempts": 1.5},
        {"disabled": "no"},
    ],
)
def test_values_given_in_code_are_checked_too(wrong: dict[str, Any]) -> None:
    """A wrong argument is the same clear error as a wrong variable."""
    with pytest.raises(ConfigError, match="CXONE_IDEM_"):
        Config(**wrong)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NAMSPACE", "NAMESPACE"),
        ("LEASE", "LEASE_SECONDS"),
        ("TABLE_NAME", "TABLE"),
        ("DISABLE", "DISABLED"),
        ("MAX_WORKER", "MAX_WORKERS"),
        ("TTL", "TTL_ATTRIBUTE"),
    ],
)
def test_a_near_miss_of_a_setting_is_an_error(name: str, meant: str) -> None:
    """A typo must not leave a default in place unseen; the message names what was meant."""
    with pytest.raises(ConfigError, match=rf"{name} is not .*mean CXONE_IDEM_{meant}\?\)"):
        Config.from_environ({f"CXONE_IDEM_{name}": "1"})


@pytest.mark.parametrize("name", ["SHADOW_MODE", "DECODE", "FUTURE_SETTING", "POLLERS"])
def test_a_setting_of_another_version_is_a_warning(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A rollback to this version must not stop the whole function."""
    assert Config.from_environ({f"CXONE_IDEM_{name}": "1"}) == Config()
    (entry,) = caplog.records
    assert entry.levelname == "WARNING"
    assert f"CXONE_IDEM_{name} is unknown to this version" in entry.getMessage()
