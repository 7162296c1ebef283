"""The doctor's checks on plain facts: each side of every bound, and what no engine can show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import UnreadError, last_name
from cxone_idem.doctor.examination import Examination
from cxone_idem.doctor.function import read_function
from cxone_idem.doctor.pattern import overlap
from cxone_idem.doctor.policy import Entry, lets_in
from cxone_idem.doctor.role import check_role
from tests.support.simulated_policies import ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY, answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxone_idem.doctor.check import Finding

SQS = "arn:aws:sqs:us-east-1:123456789012:events"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/idem"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
KEY = "arn:aws:kms:us-east-1:123456789012:key/k"
RULE = "arn:aws:events:us-east-1:123456789012:rule/bus/r"
SEND = Entry("sqs:SendMessage", SQS, RULE)
LOG = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/f:log-stream:any"
ROLE = "arn:aws:iam::123456789012:role/path/f"
DENIED = UnreadError("the caller may not read it", "allow it")
GONE = UnreadError("there is none", absent=True)

LETTING_IN = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:*"}
HEALTHY: dict[str, Any] = {
    "describe_table": {
        "Table": {
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "at", "AttributeType": "S"},
                {"AttributeName": "n", "AttributeType": "N"},
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        }
    },
    "describe_time_to_live": {
        "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    },
    "scan": {"Items": [{"expires_at": {"N": "1800000000"}}, {}]},
    "get_queue_url": {"QueueUrl": "https://sqs/events"},
    "get_queue_attributes": {
        "Attributes": {
            "QueueArn": SQS,
            "VisibilityTimeout": "180",
            "MessageRetentionPeriod": "300000",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 5}),
            "Policy": json.dumps({"Statement": {**LETTING_IN, "Resource": "*"}}),
        }
    },
    "list_event_source_mappings": {
        "EventSourceMappings": [
            {
                "EventSourceArn": SQS,
                "FunctionArn": FUNCTION,
                "State": "Enabled",
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            }
        ]
    },
    "get_function_configuration": {
        "FunctionName": "f",
        "FunctionArn": FUNCTION,
        "Timeout": 30,
        "Role": ROLE,
    },
    "get_function_concurrency": {},
    "describe_alarms_for_metric": {"MetricAlarms": [{}]},
    "describe_key": {"KeyMetadata": {"Arn": KEY, "KeyManager": "CUSTOMER"}},
    "list_event_buses": {"EventBuses": [{"Name": "bus"}]},
    "list_rule_names_by_target": {"RuleNames": ["r"]},
    "describe_rule": {
        "State": "ENABLED",
        "EventPattern": json.dumps({"detail-type": ["conversation.start"]}),
    },
    "list_targets_by_rule": {"Targets": [{"Arn": SQS, "DeadLetterConfig": {"Arn": DEAD}}]},
    "simulate_principal_policy": DENIED,
}


class Answers(Account):
    """An account in which everything is healthy but for some answers."""

    def __init__(self, **changed: Any) -> None:
        super().__init__()
        self._answers = {**HEALTHY, **changed}

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        assert service
        found = self._answers[operation]
        found = found(parameters) if callable(found) else found
        if isinstance(found, UnreadError):
            raise found
        return found


def healthy(operation: str, part: str = "", **changes: Any) -> dict[str, Any]:
    """Return a healthy answer with changes, in a part of it if that is named."""
    if not part:
        return {**HEALTHY[operation], **changes}
    return {part: {**HEALTHY[operation][part], **changes}}


def of_queue(dead: object, **changes: Any) -> Any:
    """Return what answers for a queue with changes, and with `dead` for its dead-letter queue."""

    def answered(parameters: Mapping[str, Any]) -> Any:
        if parameters["QueueUrl"].endswith("dead"):
            return dead if isinstance(dead, UnreadError) else open_to_all(dead)
        return healthy("get_queue_attributes", "Attributes", **changes)

    return {
        "get_queue_url": lambda asked: {"QueueUrl": f"https://sqs/{asked['QueueName']}"},
        "get_queue_attributes": answered,
    }


def open_to_all(answered: Any) -> dict[str, Any]:
    """Return a queue's answer with the healthy policy."""
    policy = HEALTHY["get_queue_attributes"]["Attributes"]["Policy"]
    return {"Attributes": {"Policy": policy, **answered["Attributes"]}}


def kept(seconds: int) -> dict[str, Any]:
    """Return how long a dead-letter queue keeps messages."""
    return {"Attributes": {"MessageRetentionPeriod": str(seconds)}}


def statuses(findings: Iterable[Finding]) -> dict[str, str]:
    """Return what is not as it should be, by check; the role has its own tests."""
    return {
        each.check: each.status.value
        for each in findings
        if each.status.value != "ok" and each.check != "permissions"
    }


def of_function(**changed: Any) -> dict[str, str]:
    """Return what is not as it should be with a function and all around it."""
    examination = Examination(Answers(**changed))
    examination.function("f")
    return statuses(examination.findings)


def of_table(**changed: Any) -> dict[str, str]:
    """Return what is not as it should be with a table."""
    examination = Examination(Answers(**changed))
    examination.table(Config())
    return statuses(examination.findings)


def keys(*names: str) -> dict[str, Any]:
    """Return key attributes."""
    kinds = zip(names, ("HASH", "RANGE"), strict=False)
    return {"KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in kinds]}


REPLICAS = [{"RegionName": "eu-west-1"}]
PROVISIONED = {
    "BillingModeSummary": {"BillingMode": "PROVISIONED"},
    "ProvisionedThroughput": {"WriteCapacityUnits": 10},
}
TTL_OFF = {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        (keys("n"), {"table-key": "wrong"}),
        (keys("at"), {"table-key": "wrong"}),
        (keys("id", "at"), {"table-key": "wrong"}),
        (PROVISIONED, {"capacity": "advice"}),
        (
            {"Replicas": REPLICAS, "MultiRegionConsistency": "EVENTUAL"},
            {"global-table": "advice"},
        ),
        ({"Replicas": REPLICAS, "MultiRegionConsistency": "STRONG"}, {"ttl": "advice"}),
        ({"Replicas": REPLICAS}, {"global-table": "unknown"}),
    ],
)
def test_tables(changes: dict[str, Any], expected: dict[str, str]) -> None:
    """Key, capacity, Regions."""
    assert of_table(describe_table=healthy("describe_table", "Table", **changes)) == expected


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        (TTL_OFF, {"ttl": "wrong"}),
        (
            healthy("describe_time_to_live", "TimeToLiveDescription", AttributeName="ttl"),
            {"ttl": "wrong"},
        ),
        (DENIED, {"ttl": "unknown"}),
    ],
)
def test_ttl(ttl: object, expected: dict[str, str]) -> None:
    """On, and for the attribute that the records have."""
    assert of_table(describe_time_to_live=ttl) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([{"N": "99999999999"}], {}),
        ([{"N": "100000000000"}], {"ttl-seconds": "wrong"}),
        ([{"N": "1.8E+12"}], {"ttl-seconds": "wrong"}),
        ([{"S": "1800000000"}], {"ttl-seconds": "wrong"}),
    ],
)
def test_ttl_in_seconds(values: list[dict[str, str]], expected: dict[str, str]) -> None:
    """Not in milliseconds, and not as text."""
    assert of_table(scan={"Items": [{"expires_at": value} for value in values]}) == expected
    assert of_table(scan=DENIED) == {"ttl-seconds": "unknown"}


def test_a_table_that_is_not_read() -> None:
    """Absent is wrong; out of sight is unknown."""
    assert of_table(describe_table=GONE) == {"table": "wrong"}
    assert of_table(describe_table=DENIED) == {"table": "unknown"}


def redrive(count: int) -> str:
    """Return a redrive policy."""
    return json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": count})


OUT_OF_SIGHT = dict.fromkeys(
    ("retention", "dead-letter-retention", "queue-policy", "queue-key"), "unknown"
)


@pytest.mark.parametrize(
    ("changes", "dead", "kept_seconds", "expected"),
    [
        ({}, kept(700_000), 1_000_000, {}),
        ({}, kept(700_000), 999_999, {"retention": "wrong"}),
        ({"RedrivePolicy": ""}, kept(0), 300_000, {"dead-letter-queue": "wrong"}),
        ({"RedrivePolicy": redrive(4)}, kept(300_000), 1_000_000, {"receive-count": "wrong"}),
        ({}, kept(299_999), 1_000_000, {"dead-letter-retention": "advice"}),
        ({"QueueArn": f"{SQS}.fifo"}, kept(1), 1_000_000, {}),
        ({}, DENIED, 1_000_000, OUT_OF_SIGHT),
        (
            {},
            GONE,
            1_000_000,
            {
                "dead-letter-queue": "wrong",
                **dict.fromkeys(("retention", "queue-policy", "queue-key"), "unknown"),
            },
        ),
    ],
)
def test_queues(
    changes: dict[str, Any], dead: object, kept_seconds: int, expected: dict[str, str]
) -> None:
    """Dead letters, receives, and what is kept longer than the records."""
    nothing: dict[str, Any] = {"list_event_source_mappings": {"EventSourceMappings": []}}
    examination = Examination(Answers(**of_queue(dead, **changes), **nothing))
    examination.queue("events", Config(retention_seconds=kept_seconds))
    assert statuses(examination.findings) == expected


def mapping(**changes: Any) -> dict[str, Any]:
    """Return the answer that there is one mapping."""
    (found,) = HEALTHY["list_event_source_mappings"]["EventSourceMappings"]
    return {"list_event_source_mappings": {"EventSourceMappings": [{**found, **changes}]}}


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
    slow = of_queue(kept(300_000), VisibilityTimeout=str(visible_seconds))
    waiting = mapping(MaximumBatchingWindowInSeconds=window_seconds)
    assert of_function(**slow, **waiting) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"State": "Disabled"}, {"mapping-state": "wrong"}),
        ({"State": "Creating"}, {}),
        ({"FunctionResponseTypes": []}, {"partial-failures": "wrong"}),
    ],
)
def test_event_sources(changes: dict[str, Any], expected: dict[str, str]) -> None:
    """It runs, and failed messages come back."""
    assert of_function(**mapping(**changes)) == expected


def function(**variables: str) -> dict[str, Any]:
    """Return a function's configuration with variables in its environment."""
    return healthy("get_function_configuration", Environment={"Variables": variables})


BROKEN = {"table": "unknown", "retention": "unknown", "table-permissions": "unknown"}


@pytest.mark.parametrize(
    ("environment", "timeout_seconds", "expected"),
    [
        ({}, 30, {}),
        ({"CXONE_IDEM_NAMESPACE": "mine"}, 30, {}),
        ({"CXONE_IDEM_NAMESPACE": "none"}, 30, {"namespace": "advice"}),
        ({"CXONE_IDEM_DISABLED": "true"}, 30, {"kill-switch": "wrong"}),
        ({"CXONE_IDEM_LEASE_SECONDS": "soon"}, 30, {"settings": "wrong", **BROKEN}),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "http://x"}, 30, {"endpoint": "advice"}),
        ({}, 3, {}),
        ({}, 2, {"sdk-timeouts": "advice"}),
        ({}, 1, {"sdk-timeouts": "wrong"}),
        ({"CXONE_IDEM_MIN_REMAINING_SECONDS": "30"}, 30, {"sdk-timeouts": "wrong"}),
    ],
)
def test_functions(
    environment: dict[str, str], timeout_seconds: int, expected: dict[str, str]
) -> None:
    """Settings as the function reads them, and its time-out against theirs and the SDK's."""
    found = {**function(**environment), "Timeout": timeout_seconds}
    assert of_function(get_function_configuration=found) == expected


def test_an_environment_that_is_not_read() -> None:
    """Of what depends on it nothing is known."""
    found = healthy("get_function_configuration", Environment={"Error": {"ErrorCode": "KMS"}})
    expected = {"settings": "unknown", **BROKEN}
    assert of_function(get_function_configuration=found) == expected


def test_every_wrong_setting_is_a_finding() -> None:
    """All mistakes of `Config`, each in its own words."""
    found = function(CXONE_IDEM_LEASE_SECONDS="soon", CXONE_IDEM_TABEL="x")
    examination = Examination(Answers(get_function_configuration=found))
    examination.function("f")
    one, two = [each.what for each in examination.findings if each.check == "settings"]
    assert "'soon'" in one
    assert "CXONE_IDEM_TABEL" in two


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"State": "DISABLED"}, {"rule-state": "wrong"}),
        ({"EventPattern": '{"source": ["nice"]}'}, {"detail-type": "wrong"}),
        ({"EventPattern": '{"detail-type": []}'}, {"detail-type": "wrong"}),
        ({"EventPattern": '{"detail-type": [{"prefix": ""}]}'}, {"detail-type": "wrong"}),
        ({"EventPattern": '{"detail-type": ["a", {"prefix": ""}]}'}, {"detail-type": "wrong"}),
        ({"EventPattern": '{"detail": {"eventType": ["conversation.start"]}}'}, {}),
        ({"EventPattern": None, "ScheduleExpression": "rate(1 day)"}, {}),
        ({"EventPattern": '{"detail-type": [{"prefix": "conversation."}]}'}, {}),
        ({"EventPattern": None}, {"detail-type": "wrong"}),
    ],
)
def test_rules(changes: dict[str, Any], expected: dict[str, str]) -> None:
    """What comes through."""
    assert of_function(describe_rule=healthy("describe_rule", **changes)) == expected


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({"Targets": [{"Arn": SQS}]}, {"target-dead-letter-queue": "wrong"}),
        (DENIED, {"target-dead-letter-queue": "unknown"}),
    ],
)
def test_targets(targets: object, expected: dict[str, str]) -> None:
    """What becomes of the undeliverable."""
    assert of_function(list_targets_by_rule=targets) == expected


CLAIM = "dynamodb:PutItem"
BATCH = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
ALIGN = "sqs:ChangeMessageVisibility"
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
NEEDED = (CLAIM, *BATCH, *POLL)


class FakeAccount(Account):
    """Answers a policy simulation in IAM's own shape, as if a role could do `allowed`."""

    def __init__(
        self,
        allowed: Iterable[str] = NEEDED,
        denied: Iterable[str] = (),
        conditional: Iterable[str] = (),
        refusal: UnreadError | None = None,
    ) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self._decisions = {
            **dict.fromkeys(LOGS, ALLOWED),
            **dict.fromkeys(allowed, ALLOWED),
            **dict.fromkeys(denied, EXPLICIT_DENY),
        }
        self._missing = {action: ["aws:PrincipalTag/team"] for action in conditional}
        self._refusal = refusal

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        """Answer for the one resource that is asked about."""
        assert (service, operation) == ("iam", "simulate_principal_policy")
        self.asked.append(parameters)
        if self._refusal:
            raise self._refusal
        (resource,) = parameters["ResourceArns"]
        assert resource.endswith("table/cxone-idem") or resource in {TABLE, SQS, LOG, KEY}
        names = parameters["ActionNames"]
        decisions = {name: self._decisions.get(name, IMPLICIT_DENY) for name in names}
        return answer(decisions, resource, self._missing)


def check(account: Account, **variables: str) -> list[Finding]:
    """Return the findings about the function's role."""
    variables = {"CXONE_IDEM_TABLE": TABLE, **variables}
    facts = read_function(Answers(get_function_configuration=function(**variables)), "f")
    return list(check_role(account, facts, [SQS]))


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
    align = {"CXONE_IDEM_ALIGN_VISIBILITY": str(aligns)}
    assert statuses(check(account, **align)) == expected


def test_a_role_is_asked_about_once_for_each_resource() -> None:
    """By its whole ARN, path included: IAM finds the boundary and the denials itself."""
    account = FakeAccount()
    check(account)
    assert [asked["ResourceArns"] for asked in account.asked] == [[TABLE], [SQS], [LOG]]
    assert {asked["PolicySourceArn"] for asked in account.asked} == {ROLE}


def test_an_action_without_a_decision_is_not_known() -> None:
    """An answer that leaves one out does not make it allowed."""

    class Silent(FakeAccount):
        def ask(self, service: str, operation: str, **parameters: Any) -> Any:
            answered = super().ask(service, operation, **parameters)
            return {**answered, "EvaluationResults": answered["EvaluationResults"][1:]}

    found = statuses(check(Silent()))
    assert set(found.values()) == {"unknown"}
    assert set(found) == {"table-permissions", "queue-permissions", "log-permissions"}


@pytest.mark.parametrize("refusal", [DENIED, GONE, UnreadError("iam answered NotImplemented: no")])
@pytest.mark.parametrize("table", [TABLE, "no table"])
def test_without_a_simulation_nothing_is_known(refusal: UnreadError, table: str) -> None:
    """One finding, with the reason and what makes it known."""
    *_, finding = check(FakeAccount(refusal=refusal), CXONE_IDEM_TABLE=table)
    assert (finding.check, finding.status.value) == ("permissions", "unknown")
    assert finding.what == str(refusal)
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


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ({}, {"source": ["a"]}, True),
        ({"source": ["a"]}, {"source": ["b"]}, False),
        ({"source": ["a", "b"]}, {"source": ["b"]}, True),
        ({"source": [{"prefix": "a"}]}, {"source": ["b"]}, False),
        ({"source": [{"prefix": "a"}]}, {"source": ["ab"]}, True),
        ({"source": [{"prefix": "a"}]}, {"source": [{"prefix": "ab"}]}, True),
        ({"source": [{"prefix": "a"}]}, {"source": [{"prefix": "b"}]}, False),
        ({"source": [{"suffix": "a"}]}, {"source": [{"suffix": "b"}]}, False),
        ({"source": [{"suffix": "a"}]}, {"source": ["ba", 1]}, True),
        ({"source": [{"prefix": {"equals-ignore-case": "A"}}]}, {"source": ["ab"]}, True),
        ({"source": [{"equals-ignore-case": "A"}]}, {"source": ["a"]}, True),
        ({"source": [{"equals-ignore-case": "A"}]}, {"source": ["b"]}, False),
        ({"source": [{"wildcard": "a*c"}]}, {"source": ["abc"]}, True),
        ({"source": [{"wildcard": "a?c"}]}, {"source": ["abc"]}, False),
        ({"source": [{"wildcard": "a?[c]*"}]}, {"source": ["a?[c]d"]}, True),
        ({"source": [{"anything-but": "a"}]}, {"source": ["a"]}, False),
        ({"source": [{"anything-but": ["a", "b"]}]}, {"source": ["c"]}, True),
        ({"source": [{"anything-but": {"prefix": "a"}}]}, {"source": ["ab"]}, False),
        ({"source": [{"anything-but": "a"}]}, {"source": [{"anything-but": "b"}]}, True),
        ({"n": [{"numeric": [">", 0, "<=", 5]}]}, {"n": [5]}, True),
        ({"n": [{"numeric": [">", 0, "<=", 5]}]}, {"n": [6, "5"]}, False),
        ({"n": [1]}, {"n": [True]}, False),
        ({"n": [None]}, {"n": [None]}, True),
        ({"n": [{"exists": False}]}, {"n": ["a"]}, False),
        ({"n": [{"exists": False}]}, {"n": [{"prefix": "a"}]}, False),
        ({"n": [{"exists": False}]}, {"n": [{"exists": False}]}, True),
        ({"n": [{"exists": True}]}, {"n": ["a"]}, True),
        ({"ip": [{"cidr": "10.0.0.0/8"}]}, {"ip": ["10.0.0.1"]}, True),
        ({"resources": ["a"]}, {"resources": ["b"]}, True),
        ({"detail": {"resources": ["a"]}}, {"detail": {"resources": ["b"]}}, False),
        ({"source": [{"wildcard": "a\\*b*"}]}, {"source": ["a*bc"]}, True),
        ({"source": [{"wildcard": "a\\*b"}]}, {"source": ["acb"]}, False),
        ({"n": [{"numeric": ["=", 1]}]}, {"n": [True]}, False),
        (
            {"detail": {"a": ["x"]}, "$or": [{"detail": {"b": ["y"]}}]},
            {"detail": {"a": ["z"]}},
            False,
        ),
        ({"detail": {"type": {"name": ["a"]}}}, {"detail": {"type": ["a"]}}, False),
        ({"$or": [{"source": ["a"]}, {"source": ["b"]}]}, {"source": ["b"]}, True),
        ({"$or": [{"source": ["a"]}, {"source": ["b"]}]}, {"source": ["c"]}, False),
        ({"detail": {"type": ["a"]}}, {"detail": {"type": ["b"]}}, False),
        ({"detail": {"type": ["a"]}}, {"detail": {"other": ["b"]}}, True),
    ],
)
def test_patterns_that_one_event_may_match(
    one: dict[str, Any],
    other: dict[str, Any],
    meets: bool,  # noqa: FBT001
) -> None:
    """What one matcher lets through and the other does not is no event of both."""
    assert overlap(one, other) is meets
    assert overlap(other, one) is meets


@pytest.mark.parametrize(
    ("changes", "let_in"),
    [
        ({}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"Service": "sns.amazonaws.com"}}, False),
        ({"Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Action": "SQS:Send*"}, True),
        ({"Action": ["sqs:ReceiveMessage"]}, False),
        ({"Action": None, "NotAction": "sqs:Delete*"}, True),
        ({"Resource": DEAD}, False),
        ({"Resource": "arn:aws:sqs:*:*:event?"}, True),
        ({"Resource": "arn:aws:sqs:*:*:[e]vents"}, False),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": [FUNCTION, RULE]}}}, True),
        ({"Condition": {"ArnEquals": {"AWS:sourcearn": FUNCTION}}}, False),
        ({"Condition": {"ArnNotEquals": {"aws:SourceArn": RULE}}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:events:*"}}}, False),
        ({"Condition": {"StringLike": {"aws:SourceArn": "arn:aws:events:*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
        ({"Condition": {"Null": {"aws:SourceArn": "false"}}}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, None),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "${aws:ResourceAccount}"}}}, None),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:*:rule/bus/r"}}}, False),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/*"}}}, True),
        ({"Condition": {"Bool": {"aws:PrincipalIsAWSService": "true"}}}, True),
        ({"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2100-01-01"}}}, None),
    ],
)
def test_policies_that_let_eventbridge_in(
    changes: dict[str, Any],
    let_in: bool | None,  # noqa: FBT001
) -> None:
    """Who, what, which queue and for which rule, as policies spell them."""
    statement = {**LETTING_IN, "Resource": SQS, **changes}
    assert lets_in(json.dumps({"Statement": statement}), SEND) is let_in
    assert lets_in(json.dumps({"Statement": [{}, statement]}), SEND) is let_in
    assert not lets_in(None, SEND)


@pytest.mark.parametrize(
    ("denied", "let_in"),
    [
        ({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, True),
        ({"Principal": {"Service": "events.amazonaws.com"}}, False),
        ({"Principal": "*", "Action": "sqs:Delete*"}, True),
        ({"Principal": "*", "Condition": {"ArnNotLike": {"aws:SourceArn": f"{RULE}*"}}}, True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceVpce": "v"}}}, None),
        ({"Principal": None, "NotPrincipal": {"Service": "events.amazonaws.com"}}, True),
    ],
)
def test_policies_that_keep_eventbridge_out(
    denied: dict[str, Any],
    let_in: bool | None,  # noqa: FBT001
) -> None:
    """A denial that is about the rule counts for more than what is allowed."""
    allowing = {**LETTING_IN, "Resource": SQS}
    statement = {"Effect": "Deny", "Action": "sqs:*", "Resource": "*", **denied}
    assert lets_in(json.dumps({"Statement": [allowing, statement]}), SEND) is let_in


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"KMSKeyArn": KEY}, {"key-permissions": "wrong"}),
        ({"KMSKeyArn": "alias/aws/lambda"}, {}),
        ({"State": "Failed", "StateReason": "no subnet"}, {"function-state": "wrong"}),
        ({"Runtime": "nodejs22.x"}, {"runtime": "wrong"}),
        ({"Runtime": "provided.al2023"}, {}),
        ({"PackageType": "Image"}, {"runtime": "advice"}),
        ({"Runtime": "python3.9"}, {"runtime": "wrong"}),
        ({"Runtime": "python3.13"}, {}),
        ({"LoggingConfig": {"LogFormat": "Text"}}, {"logs": "advice"}),
        (
            {"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"}},
            {"logs": "advice"},
        ),
    ],
)
def test_the_runtime_logs_and_key_of_a_function(
    changes: dict[str, Any], expected: dict[str, str]
) -> None:
    """In the shape of AWS's own answers."""
    account = Answers(
        get_function_configuration=healthy("get_function_configuration", **changes),
        simulate_principal_policy=lambda asked: FakeAccount().ask(
            "iam", "simulate_principal_policy", **asked
        ),
    )
    examination = Examination(account)
    examination.function("f")
    assert statuses(examination.findings) == expected


def test_the_limits_of_several_mappings_add_up() -> None:
    """Together they ask for more than is reserved, though each alone does not."""
    (one,) = HEALTHY["list_event_source_mappings"]["EventSourceMappings"]
    limited = {**one, "ScalingConfig": {"MaximumConcurrency": 5}}
    two = {"EventSourceMappings": [limited, limited]}
    for reserved, expected in ((9, {"concurrency": "wrong"}), (10, {})):
        answers = {"get_function_concurrency": {"ReservedConcurrentExecutions": reserved}}
        assert of_function(list_event_source_mappings=two, **answers) == expected


def test_a_mapping_that_is_off_counts_for_nothing() -> None:
    """Beside the one that runs: neither as a second consumer nor for its limit."""
    (one,) = HEALTHY["list_event_source_mappings"]["EventSourceMappings"]
    limited = {**one, "ScalingConfig": {"MaximumConcurrency": 5}}
    old = {**limited, "FunctionArn": f"{FUNCTION}-old", "State": "Disabled"}
    answers = {"get_function_concurrency": {"ReservedConcurrentExecutions": 5}}
    both = {"EventSourceMappings": [limited, old]}
    assert of_function(list_event_source_mappings=both, **answers) == {"mapping-state": "wrong"}


def test_a_queue_that_is_shut_is_named_beside_one_that_nobody_can_judge() -> None:
    """What is wrong is wrong, whatever else is unknown."""
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    unclear = json.dumps({"Statement": {**LETTING_IN, "Resource": "*", "Condition": condition}})
    dead = {"Attributes": {"MessageRetentionPeriod": "300000", "Policy": ""}}
    assert of_function(**of_queue(dead, Policy=unclear)) == {"queue-policy": "wrong"}


@pytest.mark.parametrize("name", ["arn:x", "arn:aws:events:us-east-1:1:event-bus/x"])
def test_an_arn_of_something_else_is_no_rule(name: str) -> None:
    """It is said so, and not looked for under another name."""
    examination = Examination(Answers())
    examination.rule(name, Config())
    assert statuses(examination.findings) == {"rule": "unknown"}


def test_every_bus_is_asked() -> None:
    """Rules on the second page of buses are found too."""
    pages = {
        None: {"EventBuses": [{"Name": "one"}], "NextToken": "more"},
        "more": {"EventBuses": [{"Name": "two"}]},
    }
    asked: list[str] = []

    def rules(parameters: Mapping[str, Any]) -> Any:
        asked.append(parameters["EventBusName"])
        return {"RuleNames": []}

    found = of_function(
        list_event_buses=lambda parameters: pages[parameters.get("NextToken")],
        list_rule_names_by_target=rules,
    )
    assert set(asked) == {"one", "two"}
    assert found == {"rules": "advice"}
