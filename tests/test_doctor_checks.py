"""The doctor's checks on plain facts: each side of every bound, and what no engine can show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config
from cxone_idem.doctor.event_source import check_event_source, check_visibility
from cxone_idem.doctor.facts import (
    DeadLetters,
    EventSource,
    Function,
    Queue,
    Role,
    Rule,
    Table,
    Target,
    Unread,
    last_name,
)
from cxone_idem.doctor.function import check_function, settings_of
from cxone_idem.doctor.policy import Grant, judge
from cxone_idem.doctor.queue import check_queue
from cxone_idem.doctor.role import check_role
from cxone_idem.doctor.rule import check_rule
from cxone_idem.doctor.table import check_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxone_idem.doctor.finding import Finding

SQS = "arn:aws:sqs:us-east-1:123456789012:events"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/idem"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
DENIED = Unread("the caller may not read it", "allow it")
GONE = Unread("there is none", absent=True)

table = Table("idem", (("id", "HASH", "S"),), None, None, "expires_at", ({"N": "1800000000"},))
queue = Queue(SQS, 180, 300_000, DeadLetters(DEAD, 5, 700_000))
source = EventSource(SQS, FUNCTION, "Enabled", reports_failures=True, batch_window_seconds=0)
function = Function("f", FUNCTION, 30, {}, "arn:aws:iam::123456789012:role/path/f")
rule = Rule("r", "bus", True, {"detail-type": ["conversation.start"]}, (Target(SQS, DEAD),))  # noqa: FBT003


def statuses(findings: Iterable[Finding]) -> dict[str, str]:
    """Return what is not as it should be, by check."""
    return {each.check: each.status.value for each in findings if each.status.value != "ok"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"keys": (("id", "HASH", "N"),)}, {"table-key": "wrong"}),
        ({"keys": (("pk", "HASH", "S"),)}, {"table-key": "wrong"}),
        ({"keys": (("id", "HASH", "S"), ("at", "RANGE", "S"))}, {"table-key": "wrong"}),
        ({"write_units": 10}, {"capacity": "advice"}),
        ({"consistency": "EVENTUAL"}, {"global-table": "advice"}),
        ({"consistency": "STRONG", "ttl_attribute": None}, {"ttl": "advice"}),
        ({"consistency": DENIED}, {"global-table": "unknown"}),
        ({"ttl_attribute": None}, {"ttl": "wrong"}),
        ({"ttl_attribute": "ttl"}, {"ttl": "wrong"}),
        ({"ttl_attribute": DENIED}, {"ttl": "unknown"}),
        ({"ttl_values": ()}, {}),
        ({"ttl_values": ({"N": "99999999999"},)}, {}),
        ({"ttl_values": ({"N": "100000000000"},)}, {"ttl-seconds": "wrong"}),
        ({"ttl_values": ({"N": "1.8E+12"},)}, {"ttl-seconds": "wrong"}),
        ({"ttl_values": ({"S": "1800000000"},)}, {"ttl-seconds": "wrong"}),
        ({"ttl_values": DENIED}, {"ttl-seconds": "unknown"}),
    ],
)
def test_tables(changes: dict[str, Any], expected: dict[str, str]) -> None:
    """Key, TTL and its unit, capacity, Regions."""
    assert statuses(check_table(replace(table, **changes), Config())) == expected


def test_a_table_that_is_not_read() -> None:
    """Absent is wrong; out of sight is unknown."""
    assert statuses(check_table(GONE, Config())) == {"table": "wrong"}
    assert statuses(check_table(DENIED, Config())) == {"table": "unknown"}


@pytest.mark.parametrize(
    ("changes", "kept_seconds", "expected"),
    [
        ({}, 1_000_000, {}),
        ({}, 999_999, {"retention": "wrong"}),
        ({}, DENIED, {"retention": "unknown"}),
        ({"dead_letters": None}, 300_000, {"dead-letter-queue": "wrong"}),
        ({"dead_letters": DeadLetters(DEAD, 4, 1)}, 1_000_000, {"receive-count": "wrong"}),
        ({"dead_letters": DeadLetters(DEAD, 5, DENIED)}, 1_000_000, {"retention": "unknown"}),
        (
            {"dead_letters": DeadLetters(DEAD, 5, GONE)},
            1_000_000,
            {"dead-letter-queue": "wrong", "retention": "unknown"},
        ),
    ],
)
def test_queues(
    changes: dict[str, Any], kept_seconds: float | Unread, expected: dict[str, str]
) -> None:
    """Dead letters, receives, and what is kept longer than the records."""
    assert statuses(check_queue(replace(queue, **changes), kept_seconds)) == expected


@pytest.mark.parametrize(
    ("visible_seconds", "window_seconds", "expected"),
    [
        (180, 0, {}),
        (179, 0, {"visibility-timeout": "wrong"}),
        (200, 20, {}),
        (199, 20, {"batch-window": "wrong"}),
        (100, 20, {"visibility-timeout": "wrong", "batch-window": "wrong"}),
    ],
)
def test_visibility(visible_seconds: int, window_seconds: int, expected: dict[str, str]) -> None:
    """Six time-outs of the function, and the batch window beyond them."""
    slow = replace(queue, visibility_timeout_seconds=visible_seconds)
    waiting = replace(source, batch_window_seconds=window_seconds)
    assert statuses(check_visibility(waiting, slow, function)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"state": "Disabled"}, {"mapping-state": "wrong"}),
        ({"state": "Creating"}, {}),
        ({"reports_failures": False}, {"partial-failures": "wrong"}),
    ],
)
def test_event_sources(changes: dict[str, Any], expected: dict[str, str]) -> None:
    """It runs, and failed messages come back."""
    assert statuses(check_event_source(replace(source, **changes))) == expected


@pytest.mark.parametrize(
    ("environment", "timeout_seconds", "expected"),
    [
        ({}, 30, {}),
        ({"CXONE_IDEM_NAMESPACE": "mine"}, 30, {}),
        ({"CXONE_IDEM_NAMESPACE": "none"}, 30, {"namespace": "advice"}),
        ({"CXONE_IDEM_DISABLED": "true"}, 30, {"kill-switch": "wrong"}),
        ({"CXONE_IDEM_LEASE_SECONDS": "soon"}, 30, {"settings": "wrong"}),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "http://x"}, 30, {"endpoint": "advice"}),
        ({}, 3, {}),
        ({}, 2, {"sdk-timeouts": "advice"}),
        ({}, 1, {"sdk-timeouts": "wrong"}),
        ({"CXONE_IDEM_MIN_REMAINING_SECONDS": "30"}, 30, {"sdk-timeouts": "wrong"}),
        (DENIED, 30, {"settings": "unknown"}),
    ],
)
def test_functions(
    environment: dict[str, str] | Unread, timeout_seconds: int, expected: dict[str, str]
) -> None:
    """Settings as the function reads them, and its time-out against theirs and the SDK's."""
    one = replace(function, environment=environment, timeout_seconds=timeout_seconds)
    assert statuses(check_function(one)) == expected


def test_every_wrong_setting_is_a_finding() -> None:
    """All mistakes of `Config`, each in its own words."""
    wrong = {"CXONE_IDEM_LEASE_SECONDS": "soon", "CXONE_IDEM_TABEL": "x"}
    found = [
        finding.what
        for finding in check_function(replace(function, environment=wrong))
        if finding.check == "settings"
    ]
    assert len(found) == 2
    assert "'soon'" in found[0]
    assert "CXONE_IDEM_TABEL" in found[1]
    assert isinstance(settings_of(replace(function, environment=wrong)), Unread)
    known = settings_of(function)
    assert isinstance(known, Config)
    assert known.namespace == "f"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"enabled": False}, {"rule-state": "wrong"}),
        ({"pattern": {"source": ["nice"]}}, {"detail-type": "wrong"}),
        ({"pattern": {"detail-type": []}}, {"detail-type": "wrong"}),
        ({"pattern": {"detail-type": [{"prefix": "conversation."}]}}, {}),
        ({"pattern": None}, {"detail-type": "wrong"}),
        ({"targets": (Target(SQS, None),)}, {"target-dead-letter-queue": "wrong"}),
        ({"targets": DENIED}, {"target-dead-letter-queue": "unknown"}),
    ],
)
def test_rules(changes: dict[str, Any], expected: dict[str, str]) -> None:
    """What comes through, and what becomes of the undeliverable."""
    assert statuses(check_rule(replace(rule, **changes))) == expected


def allow(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """Return a statement."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions: str, **more: Any) -> dict[str, Any]:
    """Return a statement that denies."""
    return {**allow(*actions, **more), "Effect": "Deny"}


CONDITION = {"StringEquals": {"aws:PrincipalTag/team": "voice"}}


@pytest.mark.parametrize(
    ("statements", "grant"),
    [
        ([], Grant.NOT_ALLOWED),
        ([allow("dynamodb:PutItem")], Grant.ALLOWED),
        ([allow("DynamoDB:putitem")], Grant.ALLOWED),
        ([allow("dynamodb:Put*", resource=[TABLE])], Grant.ALLOWED),
        ([allow("dynamodb:P?tItem", resource=f"{TABLE[:-2]}*")], Grant.ALLOWED),
        ([allow("*")], Grant.ALLOWED),
        ([allow("dynamodb:PutItem", resource=f"{TABLE}/index/*")], Grant.NOT_ALLOWED),
        ([allow("dynamodb:PutItem", resource=TABLE.upper())], Grant.NOT_ALLOWED),
        ([allow("dynamodb:PutItemX", "dynamodb:Put")], Grant.NOT_ALLOWED),
        ([allow("dynamodb:PutItem"), deny("dynamodb:*")], Grant.NOT_ALLOWED),
        ([allow("dynamodb:PutItem"), deny("dynamodb:Get*")], Grant.ALLOWED),
        ([allow("dynamodb:PutItem"), deny("dynamodb:*", Condition=CONDITION)], Grant.CONDITIONAL),
        ([allow("dynamodb:PutItem", Condition=CONDITION)], Grant.CONDITIONAL),
        (
            [allow("dynamodb:PutItem", Condition=CONDITION), allow("dynamodb:*")],
            Grant.ALLOWED,
        ),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], Grant.ALLOWED),
        ([{"Effect": "Allow", "NotAction": "dynamodb:*", "Resource": "*"}], Grant.NOT_ALLOWED),
        ([{"Effect": "Allow", "Action": "*", "NotResource": TABLE}], Grant.NOT_ALLOWED),
        ([{"Effect": "Allow", "Action": "*", "NotResource": [SQS]}], Grant.ALLOWED),
    ],
)
def test_policies(statements: list[dict[str, Any]], grant: Grant) -> None:
    """Wildcards, denials, conditions and the `Not` forms, as IAM evaluates them."""
    assert judge(statements, "dynamodb:PutItem", TABLE) is grant


NEEDED = (
    allow("dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", resource=TABLE),
    allow("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", resource=SQS),
)
ALIGNING = allow("sqs:ChangeMessageVisibility")


@pytest.mark.parametrize(
    ("statements", "aligns", "expected"),
    [
        (NEEDED, False, {}),
        (NEEDED, True, {"queue-permissions": "wrong"}),
        ((*NEEDED, ALIGNING), True, {}),
        ((*NEEDED, ALIGNING), False, {"least-privilege": "advice"}),
        ((*NEEDED, allow("dynamodb:GetItem")), False, {"least-privilege": "advice"}),
        ((*NEEDED, allow("sqs:PurgeQueue")), False, {"least-privilege": "advice"}),
        ((*NEEDED, allow("s3:*")), False, {}),
        (NEEDED[1:], False, {"table-permissions": "wrong", "batch-permissions": "advice"}),
        (NEEDED[:1], False, {"queue-permissions": "wrong"}),
        (
            ({**NEEDED[0], "Condition": CONDITION}, NEEDED[1]),
            False,
            {"table-permissions": "unknown"},
        ),
    ],
)
def test_roles(
    statements: tuple[dict[str, Any], ...],
    aligns: bool,  # noqa: FBT001
    expected: dict[str, str],
) -> None:
    """What is needed, what makes batches fast, and nothing beyond."""
    role = Role("f", statements, None)
    assert statuses(check_role(role, TABLE, [SQS], aligns_visibility=aligns)) == expected


def test_a_boundary_takes_away_what_it_does_not_allow() -> None:
    """A role may do what its policies and its boundary both allow."""
    bound = Role("f", NEEDED, (allow("sqs:*"), allow("dynamodb:*", Condition=CONDITION)))
    found = statuses(check_role(bound, TABLE, [SQS], aligns_visibility=False))
    assert found == {"table-permissions": "unknown"}


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        (SQS, "events"),
        (TABLE, "idem"),
        (FUNCTION, "f"),
        ("arn:aws:iam::123456789012:role/path/f", "f"),
        ("https://sqs.us-east-1.amazonaws.com/123456789012/events", "events"),
        ("events", "events"),
    ],
)
def test_names_in_arns(arn: str, name: str) -> None:
    """People know things by the last part."""
    assert last_name(arn) == name
