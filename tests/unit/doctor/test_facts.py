"""The doctor's checks on plain facts: each side of every bound, and what no engine can show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.event_source import check_event_source, check_visibility
from cxone_idem.doctor.facts import (
    DeadLetters,
    EventSource,
    Function,
    Queue,
    Rule,
    Table,
    Target,
    Unread,
    last_name,
)
from cxone_idem.doctor.function import check_function, settings_of
from cxone_idem.doctor.queue import check_queue
from cxone_idem.doctor.role import check_role
from cxone_idem.doctor.rule import check_rule
from cxone_idem.doctor.table import check_table
from tests.support.simulated_policies import ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY, answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxone_idem.doctor.facts import Finding

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


CLAIM = "dynamodb:PutItem"
BATCH = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
ALIGN = "sqs:ChangeMessageVisibility"
NEEDED = (CLAIM, *BATCH, *POLL)


class FakeAccount(Account):
    """Answers a policy simulation in IAM's own shape, as if a role could do `allowed`."""

    def __init__(
        self,
        allowed: Iterable[str] = NEEDED,
        denied: Iterable[str] = (),
        conditional: Iterable[str] = (),
        refusal: Unread | None = None,
    ) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self._decisions = {
            **dict.fromkeys(allowed, ALLOWED),
            **dict.fromkeys(denied, EXPLICIT_DENY),
        }
        self._missing = {action: ["aws:PrincipalTag/team"] for action in conditional}
        self._refusal = refusal

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | Unread:
        """PutResult for the one resource that is asked about."""
        assert (service, operation) == ("iam", "simulate_principal_policy")
        self.asked.append(parameters)
        if self._refusal:
            return self._refusal
        (resource,) = parameters["ResourceArns"]
        names = parameters["ActionNames"]
        decisions = {name: self._decisions.get(name, IMPLICIT_DENY) for name in names}
        return answer(decisions, resource, self._missing)


def check(account: Account, table: str | Unread = TABLE, *, aligns: bool = False) -> list[Finding]:
    """Return the findings about the function's role."""
    return list(check_role(account, function.role_arn, table, [SQS], aligns_visibility=aligns))


@pytest.mark.parametrize(
    ("account", "aligns", "expected"),
    [
        (FakeAccount(), False, {}),
        (FakeAccount(), True, {"queue-permissions": "wrong"}),
        (FakeAccount((*NEEDED, ALIGN)), True, {}),
        (FakeAccount((*NEEDED, ALIGN)), False, {"least-privilege": "advice"}),
        (FakeAccount((*NEEDED, "dynamodb:GetItem")), False, {"least-privilege": "advice"}),
        (FakeAccount((*NEEDED, "sqs:PurgeQueue")), False, {"least-privilege": "advice"}),
        (FakeAccount((CLAIM, *POLL)), False, {"batch-permissions": "advice"}),
        (FakeAccount((*BATCH, *POLL)), False, {"table-permissions": "wrong"}),
        (FakeAccount(denied=[CLAIM]), False, {"table-permissions": "wrong"}),
        (FakeAccount((CLAIM, *BATCH)), False, {"queue-permissions": "wrong"}),
        (FakeAccount(conditional=[CLAIM]), False, {"table-permissions": "unknown"}),
        (
            FakeAccount(denied=[CLAIM], conditional=[CLAIM]),
            False,
            {"table-permissions": "unknown"},
        ),
    ],
)
def test_roles(account: FakeAccount, aligns: bool, expected: dict[str, str]) -> None:  # noqa: FBT001
    """Needed actions, those that make batches fast, and nothing beyond, as IAM decides."""
    assert statuses(check(account, aligns=aligns)) == expected


def test_a_role_is_asked_about_once_for_each_resource() -> None:
    """By its whole ARN, path included: IAM finds the boundary and the denials itself."""
    account = FakeAccount()
    check(account)
    assert [asked["ResourceArns"] for asked in account.asked] == [[TABLE], [SQS]]
    assert {asked["PolicySourceArn"] for asked in account.asked} == {function.role_arn}


def test_an_action_without_a_decision_is_not_known() -> None:
    """An answer that leaves one out does not make it allowed."""

    class Silent(FakeAccount):
        def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | Unread:
            answered = super().ask(service, operation, **parameters)
            assert isinstance(answered, dict)
            return {**answered, "EvaluationResults": answered["EvaluationResults"][1:]}

    found = statuses(check(Silent()))
    assert found == {"table-permissions": "unknown", "queue-permissions": "unknown"}


@pytest.mark.parametrize("refusal", [DENIED, GONE, Unread("iam answered NotImplemented: no")])
@pytest.mark.parametrize("table", [TABLE, DENIED])
def test_without_a_simulation_nothing_is_known(refusal: Unread, table: str | Unread) -> None:
    """One finding, with the reason and what makes it known."""
    *_, finding = check(FakeAccount(refusal=refusal), table)
    assert (finding.check, finding.status.value) == ("permissions", "unknown")
    assert finding.what == refusal.why
    assert finding.fix == (refusal.fix or finding.fix)
    assert refusal.fix or "iam:SimulatePrincipalPolicy" in finding.fix


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
