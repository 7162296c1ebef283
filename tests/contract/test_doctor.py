"""The doctor on deployed pipelines: nothing to say of a healthy one, and each fault by its name."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import moto
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.session import Session

from cxone_idem import Config, Deduplicator, DynamoDBStore
from cxone_idem.cli.output import Exit
from examples.local_stack import SERVICES, ministack
from tests.support.command import Said, run
from tests.support.deployed import Cloud, Pipeline
from tests.support.documents import code_blocks, sections
from tests.support.engines import require
from tests.support.simulated_policies import simulate_on_moto

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from botocore.awsrequest import AWSPreparedRequest

    Fault = Callable[[Pipeline], object]

_DAY_SECONDS = 86_400


class Denied:
    """A body that says so."""

    def stream(self, **_: object) -> list[bytes]:
        return [b'{"__type": "AccessDeniedException", "message": "no"}']


class Gate:
    """Lets all requests through, or those alone that are allowed: refused as AWS refuses them."""

    allowed: Collection[str] | None = None

    def __call__(
        self, request: AWSPreparedRequest, event_name: str, **_: object
    ) -> AWSResponse | None:
        service, operation = event_name.split(".")[1:]
        # The event has the service's id, the permission its prefix.
        action = f"{service.replace('eventbridge', 'events')}:{operation}"
        if self.allowed is None or action in self.allowed:
            return None
        headers: Any = {"x-amzn-errortype": "AccessDeniedException"}
        return AWSResponse(request.url, 403, headers, Denied())


GATE = Gate()


def answer_simulation(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]] | None:
    """Answer IAM's policy simulation, which moto does not have, from moto's roles."""
    if "amazonaws.com" not in params["url"]:
        return None
    denied = GATE.allowed is not None and "iam:SimulatePrincipalPolicy" not in GATE.allowed
    reply = AWSResponse(params["url"], 403 if denied else 200, HTTPHeaders(), None)
    if denied:
        return reply, {"Error": {"Code": "AccessDenied", "Message": "no"}}
    return reply, simulate_on_moto(params["body"])


@cache
def one_session() -> Session:
    """Return the same session at every call: it keeps the service models, slow to load."""
    session = Session()
    events = session.get_component("event_emitter")
    events.register_first("before-send.*", GATE)
    events.register("before-call.iam.SimulatePrincipalPolicy", answer_simulation)
    return session


@cache
def in_process() -> Cloud:
    """Return the clients of the account in this process."""
    return Cloud(None)


@pytest.fixture
def moto_cloud() -> Iterator[Cloud]:
    """Return an account in this process, with nothing in it."""
    with moto.mock_aws(config={"lambda": {"use_docker": False}}):
        yield in_process()


@pytest.fixture
def pipeline(moto_cloud: Cloud) -> Pipeline:
    """Return a fresh healthy pipeline."""
    return Pipeline(moto_cloud)


@pytest.fixture(scope="module")
def served_cloud() -> Iterator[Cloud]:
    """Return an account behind a wire."""
    with ministack({"SERVICES": f"{SERVICES},kms,monitoring"}) as url:
        yield Cloud(url)


@pytest.fixture(params=["moto", pytest.param("ministack", marks=pytest.mark.engine)])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """Return an account on each engine that has all the services."""
    if request.param == "ministack":
        require(request.param)
    name = {"moto": "moto_cloud", "ministack": "served_cloud"}[request.param]
    found: Cloud = request.getfixturevalue(name)
    return found


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Return what runs the doctor on a pipeline's account."""
    monkeypatch.setattr("botocore.session.get_session", one_session)

    def examine(pipeline: Pipeline, *arguments: str, **environ: str) -> Said:
        start = arguments or ("--function", pipeline.name)
        if pipeline.cloud.endpoint:
            environ["AWS_ENDPOINT_URL"] = pipeline.cloud.endpoint
        return run(["doctor", *start, "--json"], **environ)

    return examine


def faults(said: Said) -> list[tuple[str, str]]:
    """Return check and status of all that is not as it should be."""
    return [
        (finding["check"], finding["status"]) for finding in said.data if finding["status"] != "ok"
    ]


def test_a_healthy_pipeline_has_no_finding(cloud: Cloud, doctor: Callable[..., Said]) -> None:
    """Every check is made, from each end of the pipeline, and none has anything to say."""
    pipeline = Pipeline(cloud)
    said = doctor(pipeline)
    assert faults(said) == []
    assert said.exit is Exit.OK
    assert {finding["check"] for finding in said.data} == {
        "batch-permissions",
        "batch-window",
        "capacity",
        "concurrency",
        "consumers",
        "dead-letter-alarm",
        "dead-letter-queue",
        "dead-letter-retention",
        "detail-type",
        "endpoint",
        "event-source",
        "function-state",
        "global-table",
        "kill-switch",
        "least-privilege",
        "library-alarm",
        "log-permissions",
        "logs",
        "mapping-state",
        "namespace",
        "overlap",
        "partial-failures",
        "queue-key",
        "queue-permissions",
        "queue-policy",
        "receive-count",
        "reserved-concurrency",
        "retention",
        "rule-state",
        "rules",
        "runtime",
        "sdk-timeouts",
        "settings",
        "table-key",
        "table-permissions",
        "table-state",
        "target-dead-letter-queue",
        "target-input",
        "ttl",
        "ttl-seconds",
        "visibility-timeout",
    }
    whole = len(said.data)
    for start in (
        ("--queue", f"{pipeline.name}-events"),
        ("--queue", pipeline.queue_arn),
        ("--rule", f"{pipeline.bus}/{pipeline.name}"),
        ("--function", pipeline.name, "--queue", pipeline.queue_arn, "--table", pipeline.name),
    ):
        other = doctor(pipeline, *start)
        assert (faults(other), len(other.data)) == ([], whole)
    alone = doctor(pipeline, "--table", pipeline.name)
    assert {finding["subject"] for finding in alone.data} == {f"table {pipeline.name}"}


def test_nothing_is_asked_twice(pipeline: Pipeline, doctor: Callable[..., Said]) -> None:
    """However often the walk comes by a part, AWS is asked about it once."""
    _key_open(pipeline)
    asked: list[str] = []

    def note(model: Any, params: dict[str, Any], **_: object) -> None:
        asked.append(f"{model.name} {params['query_string']} {params['body']!r} {params['url']}")

    events = one_session().get_component("event_emitter")
    events.register("before-call.*", note)
    try:
        said = doctor(pipeline, "--function", pipeline.name, "--queue", pipeline.queue_arn)
    finally:
        events.unregister("before-call.*", note)
    assert faults(said) == []
    assert len(asked) > 20
    assert [each for each, times in Counter(asked).items() if times > 1] == []


def _long_retention(pipeline: Pipeline) -> None:
    pipeline.set_queue(MessageRetentionPeriod=str(5 * _DAY_SECONDS))


def _redrive(pipeline: Pipeline, **changes: Any) -> None:
    policy = {"deadLetterTargetArn": pipeline.dead_letter_arn, "maxReceiveCount": 5, **changes}
    pipeline.set_queue(RedrivePolicy=json.dumps(policy))


def _other_table(pipeline: Pipeline, **settings: Any) -> None:
    name = f"{pipeline.name}-other"
    pipeline.cloud.dynamodb.create_table(
        **{
            "TableName": name,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            **settings,
        }
    )
    pipeline.set_environment(CXONE_IDEM_TABLE=name)


def _sorted_table(pipeline: Pipeline) -> None:
    names = {"id": "HASH", "at": "RANGE"}
    _other_table(
        pipeline,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
    )


def _provisioned_table(pipeline: Pipeline) -> None:
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    _other_table(pipeline, BillingMode="PROVISIONED", ProvisionedThroughput=throughput)


def _detach(pipeline: Pipeline) -> None:
    pipeline.cloud.iam.detach_role_policy(
        RoleName=pipeline.name, PolicyArn=pipeline.poll_policy_arn
    )


def _deny(pipeline: Pipeline) -> None:
    allowed = pipeline.grant("dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
    pipeline.allow(allowed, {"Effect": "Deny", "Action": "dynamodb:Put*", "Resource": "*"})


def _bound(pipeline: Pipeline) -> None:
    nothing = {"Version": "2012-10-17", "Statement": _statement("sqs:*")}
    policy = pipeline.cloud.iam.create_policy(
        PolicyName=f"{pipeline.name}-bound", PolicyDocument=json.dumps(nothing)
    )
    pipeline.cloud.iam.put_role_permissions_boundary(
        RoleName=pipeline.name, PermissionsBoundary=policy["Policy"]["Arn"]
    )


def _statement(action: str) -> dict[str, str]:
    return {"Effect": "Allow", "Action": action, "Resource": "*"}


def _letters(pipeline: Pipeline) -> dict[str, Any]:
    return {"DeadLetterConfig": {"Arn": pipeline.dead_letter_arn}}


def _second_target(pipeline: Pipeline) -> None:
    pipeline.set_target(pipeline.queue_arn, Id="2", **_letters(pipeline))


def _second_rule(pipeline: Pipeline, pattern: dict[str, Any] | None = None) -> None:
    events, name = pipeline.cloud.events, f"{pipeline.name}-second"
    of = {"EventBusName": pipeline.bus}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern or _PATTERN), **of)
    target = {"Id": "1", "Arn": pipeline.queue_arn, **_letters(pipeline)}
    events.put_targets(Rule=name, Targets=[target], **of)


def _no_mapping(pipeline: Pipeline) -> None:
    pipeline.cloud.functions.delete_event_source_mapping(UUID=pipeline.mapping)


def _reserve(pipeline: Pipeline, count: int, maximum: int = 0) -> None:
    if maximum:
        pipeline.set_mapping(ScalingConfig={"MaximumConcurrency": maximum})
    pipeline.cloud.functions.put_function_concurrency(
        FunctionName=pipeline.name, ReservedConcurrentExecutions=count
    )


def _key(pipeline: Pipeline, *service: str) -> str:
    """Encrypt the queue with a key that lets a service in; by default none."""
    allowed = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    principals = [{"AWS": _ROOT}, *({"Service": one} for one in service)]
    policy = {"Statement": [{**allowed, "Principal": each} for each in principals]}
    key: str = pipeline.cloud.kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    pipeline.set_queue(KmsMasterKeyId=key)
    return key


def _key_off(pipeline: Pipeline) -> None:
    pipeline.cloud.kms.disable_key(KeyId=_key_open(pipeline).rpartition("/")[2])


def _key_shut(pipeline: Pipeline) -> None:
    _key(pipeline)
    _may_decrypt(pipeline)


def _key_open(pipeline: Pipeline) -> str:
    _may_decrypt(pipeline)
    return _key(pipeline, "events.amazonaws.com")


def _may_decrypt(pipeline: Pipeline) -> None:
    pipeline.allow(
        pipeline.grant("dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"),
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"},
    )


def _second_function(pipeline: Pipeline) -> None:
    functions, name = pipeline.cloud.functions, f"{pipeline.name}-second"
    functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=pipeline.role_arn,
        Handler="handler.handler",
        Code={"ZipFile": b"PK"},
    )
    functions.create_event_source_mapping(EventSourceArn=pipeline.queue_arn, FunctionName=name)


def _short_letters(pipeline: Pipeline) -> None:
    pipeline.cloud.sqs.set_queue_attributes(
        QueueUrl=pipeline.url("dead"),
        Attributes={
            "MessageRetentionPeriod": "60",
            "Policy": pipeline.letting_in(pipeline.dead_letter_arn),
        },
    )


def _watch(pipeline: Pipeline, namespace: str) -> None:
    pipeline.set_environment(CXONE_IDEM_METRICS="cxone_idem")
    pipeline.cloud.alarms.put_metric_alarm(
        AlarmName=f"{pipeline.name}-library",
        Namespace="cxone_idem",
        MetricName="store_failed",
        Dimensions=[{"Name": "namespace", "Value": namespace}],
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )


def _watched_elsewhere(pipeline: Pipeline) -> None:
    _watch(pipeline, "another")


def _muted(pipeline: Pipeline) -> None:
    pipeline.cloud.alarms.disable_alarm_actions(AlarmNames=[pipeline.name])


_ROOT = "arn:aws:iam::123456789012:root"
_REWRITTEN = {"InputPathsMap": {"id": "$.id"}, "InputTemplate": '{"id": <id>}'}
_PATTERN = {"detail-type": ["conversation.start"]}
_WRONG: dict[str, tuple[Fault, set[tuple[str, str]]]] = {
    "table-is-missing": (
        lambda p: p.set_environment(CXONE_IDEM_TABLE=f"{p.name}-gone"),
        {("table", "wrong"), ("table-permissions", "wrong"), ("batch-permissions", "advice")},
    ),
    "ttl-off": (lambda p: p.set_ttl("expires_at", on=False), {("ttl", "wrong")}),
    "ttl-elsewhere": (
        lambda p: p.set_environment(CXONE_IDEM_TTL_ATTRIBUTE="ttl"),
        {("ttl", "wrong")},
    ),
    "ttl-in-milliseconds": (lambda p: p.put_item(N="1800000000000"), {("ttl-seconds", "wrong")}),
    "ttl-as-text": (lambda p: p.put_item(S="2027-01-15"), {("ttl-seconds", "wrong")}),
    "partial-failures-off": (
        lambda p: p.set_mapping(FunctionResponseTypes=[]),
        {("partial-failures", "wrong")},
    ),
    "mapping-disabled": (lambda p: p.set_mapping(Enabled=False), {("mapping-state", "wrong")}),
    "window-eats-visibility": (
        lambda p: p.set_mapping(MaximumBatchingWindowInSeconds=60),
        {("batch-window", "wrong")},
    ),
    "visibility-short": (
        lambda p: p.set_queue(VisibilityTimeout="60"),
        {("visibility-timeout", "wrong")},
    ),
    "few-receives": (lambda p: _redrive(p, maxReceiveCount=3), {("receive-count", "wrong")}),
    "dead-letter-queue-gone": (
        lambda p: p.cloud.sqs.delete_queue(QueueUrl=p.url("dead")),
        {
            ("dead-letter-queue", "wrong"),
            *((each, "unknown") for each in ("retention", "queue-policy", "queue-key")),
        },
    ),
    "retention-long": (_long_retention, {("retention", "wrong")}),
    "retention-short": (
        lambda p: p.set_environment(CXONE_IDEM_RETENTION_SECONDS="3600"),
        {("retention", "wrong")},
    ),
    "queue-closed": (lambda p: p.set_queue(Policy=""), {("queue-policy", "wrong")}),
    "queue-for-another-rule": (
        lambda p: p.set_queue(Policy=p.letting_in(p.queue_arn, "arn:aws:events:*:*:rule/other")),
        {("queue-policy", "wrong")},
    ),
    "second-target": (_second_target, {("overlap", "advice")}),
    "second-rule": (_second_rule, {("overlap", "advice")}),
    "envelope-taken": (
        lambda p: p.set_target(p.queue_arn, **_letters(p), InputPath="$.detail"),
        {("target-input", "wrong")},
    ),
    "event-rewritten": (
        lambda p: p.set_target(p.queue_arn, **_letters(p), InputTransformer=_REWRITTEN),
        {("target-input", "wrong")},
    ),
    "no-mapping": (_no_mapping, {("event-source", "wrong"), ("rules", "advice")}),
    "runtime-old": (lambda p: p.set_function(Runtime="python3.9"), {("runtime", "wrong")}),
    "no-logs": (
        lambda p: p.cloud.iam.delete_role_policy(RoleName=p.name, PolicyName="log"),
        {("log-permissions", "wrong")},
    ),
    "key-closed": (
        lambda p: _key(p, "events.amazonaws.com"),
        {("key-permissions", "wrong")},
    ),
    "key-shut-for-eventbridge": (_key_shut, {("queue-key", "wrong")}),
    "key-of-aws": (
        lambda p: p.set_queue(KmsMasterKeyId="alias/aws/sqs"),
        {("queue-key", "wrong")},
    ),
    "key-off": (_key_off, {("key-state", "wrong")}),
    "key-gone": (
        lambda p: p.set_queue(KmsMasterKeyId="alias/gone"),
        {("key", "wrong"), ("queue-key", "unknown")},
    ),
    "two-functions": (_second_function, {("consumers", "wrong")}),
    "dead-letters-short": (_short_letters, {("dead-letter-retention", "advice")}),
    "alarm-muted": (_muted, {("dead-letter-alarm", "advice")}),
    "reserved-nothing": (lambda p: _reserve(p, 0), {("reserved-concurrency", "wrong")}),
    "reserved-alone": (lambda p: _reserve(p, 5), {("concurrency", "advice")}),
    "no-alarm": (
        lambda p: p.cloud.alarms.delete_alarms(AlarmNames=[p.name]),
        {("dead-letter-alarm", "advice")},
    ),
    "concurrency-high": (
        lambda p: _reserve(p, 3, 5),
        {("concurrency", "wrong")},
    ),
    "rule-takes-all": (lambda p: p.set_rule({"source": ["nice"]}), {("detail-type", "wrong")}),
    "rule-disabled": (lambda p: p.set_rule(_PATTERN, "DISABLED"), {("rule-state", "wrong")}),
    "target-drops": (
        lambda p: p.set_target(p.queue_arn),
        {("target-dead-letter-queue", "wrong")},
    ),
    "no-rule": (lambda p: p.set_target(p.dead_letter_arn), {("rules", "advice")}),
    "role-cannot-claim": (
        lambda p: p.allow(p.grant("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")),
        {("table-permissions", "wrong")},
    ),
    "role-is-denied": (_deny, {("table-permissions", "wrong")}),
    "role-is-bound": (
        _bound,
        {
            ("table-permissions", "wrong"),
            ("batch-permissions", "advice"),
            ("log-permissions", "wrong"),
        },
    ),
    "role-cannot-batch": (
        lambda p: p.allow(p.grant("dynamodb:PutItem")),
        {("batch-permissions", "advice")},
    ),
    "role-can-do-all": (
        lambda p: p.allow(p.grant("dynamodb:*")),
        {("least-privilege", "advice")},
    ),
    "role-cannot-poll": (_detach, {("queue-permissions", "wrong")}),
    "role-cannot-align": (
        lambda p: p.set_environment(CXONE_IDEM_ALIGN_VISIBILITY="true"),
        {("queue-permissions", "wrong")},
    ),
    "setting-misspelt": (
        lambda p: p.set_environment(CXONE_IDEM_TABEL="x"),
        {
            ("settings", "wrong"),
            ("table", "unknown"),
            ("retention", "unknown"),
            ("table-permissions", "unknown"),
        },
    ),
    "switched-off": (
        lambda p: p.set_environment(CXONE_IDEM_DISABLED="true"),
        {("kill-switch", "wrong")},
    ),
    "metrics-unwatched": (
        lambda p: p.set_environment(CXONE_IDEM_METRICS="cxone_idem"),
        {("library-alarm", "advice")},
    ),
    "metrics-watched-elsewhere": (_watched_elsewhere, {("library-alarm", "advice")}),
    "no-namespace": (
        lambda p: p.set_environment(CXONE_IDEM_NAMESPACE="none"),
        {("namespace", "advice")},
    ),
    "endpoint-left": (
        lambda p: p.set_environment(AWS_ENDPOINT_URL="http://127.0.0.1:8000"),
        {("endpoint", "advice")},
    ),
    "no-time-at-all": (lambda p: p.set_function(Timeout=1), {("sdk-timeouts", "wrong")}),
    "less-time-than-the-sdk": (lambda p: p.set_function(Timeout=2), {("sdk-timeouts", "advice")}),
    "table-sorted": (_sorted_table, {("table-key", "wrong"), ("ttl", "wrong")}),
    "table-provisioned": (_provisioned_table, {("capacity", "advice"), ("ttl", "wrong")}),
}


_HEALTHY: dict[str, Fault] = {
    "two types, two rules": lambda p: _second_rule(p, {"detail-type": ["conversation.end"]}),
    "a key of its own": _key_open,
    "metrics watched": lambda p: _watch(p, p.name),
    "reserved enough": lambda p: _reserve(p, 5, 5),
    "input whole": lambda p: p.set_target(p.queue_arn, **_letters(p), InputPath="$"),
    "this rule alone let in": lambda p: p.set_queue(
        Policy=p.letting_in(p.queue_arn, f"arn:aws:events:*:*:rule/{p.bus}/{p.name}")
    ),
    "all services let in": lambda p: p.set_queue(
        Policy=p.letting_in(p.queue_arn, Principal="*", Action=["SQS:*"], Resource="*")
    ),
}


@pytest.mark.parametrize("twin", _HEALTHY)
def test_each_healthy_twin_has_no_finding(
    pipeline: Pipeline, doctor: Callable[..., Said], twin: str
) -> None:
    """The same part, as it should be."""
    _HEALTHY[twin](pipeline)
    assert faults(doctor(pipeline)) == []


def test_text_logs_are_found_where_the_engine_has_the_setting(
    served_cloud: Cloud, doctor: Callable[..., Said]
) -> None:
    """Text, or a level above that of duplicates; moto knows neither."""
    require("ministack")
    pipeline = Pipeline(served_cloud)
    for logging in (
        {"LogFormat": "Text"},
        {"LogFormat": "JSON", "ApplicationLogLevel": "WARN"},
    ):
        pipeline.set_function(LoggingConfig=logging)
        assert faults(doctor(pipeline)) == [("logs", "advice")]


@pytest.mark.parametrize("fault", _WRONG)
def test_each_fault_is_found_by_its_name(
    pipeline: Pipeline, doctor: Callable[..., Said], fault: str
) -> None:
    """The fault, and nothing that is not so; it says why it matters and what mends it."""
    plant, expected = _WRONG[fault]
    plant(pipeline)
    said = doctor(pipeline)
    # A role is made for one table: with another one its permissions are wrong as well.
    permissions = {"table-permissions", "batch-permissions"} if fault.startswith("table-") else ()
    found = {each for each in faults(said) if each[0] not in permissions}
    assert found == {each for each in expected if each[0] not in permissions}
    wrong = any(status == "wrong" for _, status in expected)
    assert said.exit is (Exit.FOUND if wrong else Exit.OK)
    for finding in said.data:
        if finding["status"] in {"wrong", "advice"}:
            assert finding["what"]
            assert finding["why"]
            assert finding["fix"]


def test_faults_are_found_on_an_engine_behind_a_wire(
    cloud: Cloud, doctor: Callable[..., Said]
) -> None:
    """Many at once in one account: one does not hide another."""
    pipeline = Pipeline(cloud)
    expected: set[tuple[str, str]] = set()
    for fault in (
        "ttl-elsewhere",
        "partial-failures-off",
        "second-rule",
        "visibility-short",
        "few-receives",
        "retention-long",
        "rule-takes-all",
        "role-cannot-claim",
        "role-cannot-poll",
        "less-time-than-the-sdk",
        "envelope-taken",
        "runtime-old",
        "no-logs",
        "queue-closed",
    ):
        plant, found = _WRONG[fault]
        plant(pipeline)
        expected |= found
    # With a time-out of 2 s a visibility timeout of 60 s is long enough.
    expected.remove(("visibility-timeout", "wrong"))
    assert set(faults(doctor(pipeline))) == expected


def test_a_queue_without_a_function_is_examined_by_the_settings_here(
    pipeline: Pipeline, doctor: Callable[..., Said]
) -> None:
    """A consumer in a container has no mapping; its settings are this environment's."""
    pipeline.cloud.functions.delete_event_source_mapping(UUID=pipeline.mapping)
    start = ("--queue", pipeline.url("events"))
    assert faults(doctor(pipeline, *start)) == []
    said = doctor(pipeline, *start, CXONE_IDEM_RETENTION_SECONDS="3600")
    assert faults(said) == [("retention", "wrong")]
    pipeline.set_queue(RedrivePolicy="")
    assert ("dead-letter-queue", "wrong") in faults(doctor(pipeline, *start))


def test_a_rule_that_invokes_a_function_is_examined_too(
    pipeline: Pipeline, doctor: Callable[..., Said]
) -> None:
    """EventBridge to Lambda without SQS: there is no mapping to be wrong."""
    pipeline.cloud.functions.delete_event_source_mapping(UUID=pipeline.mapping)
    letters = {"Arn": pipeline.dead_letter_arn}
    pipeline.set_target(pipeline.function_arn, DeadLetterConfig=letters)
    by_rule = doctor(pipeline, "--rule", f"{pipeline.bus}/{pipeline.name}")
    by_function = doctor(pipeline)
    assert faults(by_rule) == faults(by_function) == []
    assert len(by_rule.data) == len(by_function.data)


@pytest.mark.parametrize("option", ["--function", "--queue", "--rule", "--table"])
def test_what_does_not_exist_is_said_so(
    pipeline: Pipeline, doctor: Callable[..., Said], option: str
) -> None:
    """A name that is not there has its own exit code."""
    said = doctor(pipeline, option, "not-there")
    assert said.exit is Exit.NOT_FOUND
    (finding,) = said.data
    assert "not-there" in finding["subject"]
    assert ("cxone-idem create-table" in finding["fix"]) == (option == "--table")
    assert finding["status"] == "wrong"


def test_without_a_start_it_is_called_wrongly() -> None:
    """There is no pipeline to guess."""
    assert run(["doctor"]).exit is Exit.USAGE


def test_people_read_only_what_is_not_right(
    pipeline: Pipeline, doctor: Callable[..., Said]
) -> None:
    """Findings on stdout, the count on stderr; nothing on stdout if there is none."""
    assert callable(doctor)
    said = run(["doctor", "--function", pipeline.name])
    assert said.out == ""
    assert re.fullmatch(r"\d+ checks: \d+ ok, 0 wrong, 0 advice, 0 unknown\n", said.err)
    pipeline.set_queue(VisibilityTimeout="60")
    said = run(["doctor", "--function", pipeline.name])
    head, row = said.out.splitlines()
    assert head.split("\t") == ["status", "check", "subject", "what", "why", "fix"]
    assert row.split("\t")[:3] == ["wrong", "visibility-timeout", f"queue {pipeline.name}-events"]
    assert "set the visibility timeout to 180 s" in row
    assert ", 1 wrong," in said.err


def test_readme_commands_run_in_their_order(
    pipeline: Pipeline, doctor: Callable[..., Said]
) -> None:
    """Each line of README's block does what it says, on a pipeline of that name."""
    assert callable(doctor)
    (block,) = code_blocks("The commands", "sh")
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    environ = {"CXONE_IDEM_TABLE": f"{pipeline.name}-readme"}
    ends = []
    for program, *arguments in lines:
        assert program == "cxone-idem"
        if "show" in arguments:
            config = Config(table=environ["CXONE_IDEM_TABLE"])
            store = DynamoDBStore(config.table, pipeline.cloud.dynamodb)
            assert Deduplicator(store, config).claim(arguments[-1])
        if "release" in arguments:
            ends.append(run(arguments, f"{arguments[-1]}\n", **environ).exit)
        else:
            here = [pipeline.name if word == "my-function" else word for word in arguments]
            ends.append(run(here, **environ).exit)
    assert ends == [Exit.OK] * len(lines)


def test_a_function_says_where_its_records_are(
    pipeline: Pipeline, doctor: Callable[..., Said]
) -> None:
    """`--function` takes table and namespace from what is deployed."""
    assert callable(doctor)
    config = Config(table=pipeline.name, namespace=pipeline.name)
    assert Deduplicator(DynamoDBStore(config.table, pipeline.cloud.dynamodb), config).claim("k")
    said = run(["show", "k", "--json", "--function", pipeline.name])
    assert said.data["table"] == pipeline.name
    assert said.data["partition_key"] == f"{pipeline.name}#k"
    elsewhere = run(["show", "k", "--function", pipeline.name, "--namespace", "other"])
    assert elsewhere.exit is Exit.NOT_FOUND
    assert "other#k" in elsewhere.err
    said = run(["show", "k", "--function", "not-there"])
    assert said.exit is Exit.NOT_FOUND
    assert "there is no function 'not-there' in this account and region" in said.err


def test_on_a_terminal_each_finding_is_a_paragraph(
    pipeline: Pipeline, doctor: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What, why and fix under each other, and names with brackets as they are."""
    assert callable(doctor)
    pipeline.set_mapping(FunctionResponseTypes=[])
    monkeypatch.setattr("cxone_idem.cli.doctor.on_terminal", lambda: True)
    said = run(["doctor", "--function", pipeline.name], COLUMNS="200")
    assert "\t" not in said.out
    assert f"partial-failures, mapping {pipeline.name}-events -> {pipeline.name}" in said.out
    assert "why" in said.out
    assert "set FunctionResponseTypes to [ReportBatchItemFailures]" in said.out


@pytest.mark.parametrize(
    ("answer", "changes", "expected"),
    [
        (
            "dynamodb.DescribeTable",
            {"Table": {"Replicas": [{}], "MultiRegionConsistency": "EVENTUAL"}},
            [("global-table", "advice")],
        ),
        (
            "dynamodb.DescribeTable",
            {"Table": {"Replicas": [{}], "MultiRegionConsistency": "STRONG"}},
            [("ttl", "advice")],
        ),
        (
            "dynamodb.DescribeTable",
            {"Table": {"Replicas": [{}]}},
            [("global-table", "unknown")],
        ),
        (
            "lambda.GetFunctionConfiguration",
            {"Environment": {"Error": {"ErrorCode": "AccessDeniedException"}}},
            [
                ("settings", "unknown"),
                ("table", "unknown"),
                ("retention", "unknown"),
                ("table-permissions", "unknown"),
            ],
        ),
    ],
)
def test_answers_that_no_engine_gives(
    pipeline: Pipeline,
    doctor: Callable[..., Said],
    answer: str,
    changes: dict[str, Any],
    expected: list[tuple[str, str]],
) -> None:
    """A global table of either kind, an SDK too old to tell, an environment under another's key."""

    def change(parsed: dict[str, Any], **_: object) -> None:
        for name, value in changes.items():
            parsed[name] = {**parsed[name], **value}

    events = one_session().get_component("event_emitter")
    events.register(f"after-call.{answer}", change)
    try:
        assert faults(doctor(pipeline)) == expected
    finally:
        events.unregister(f"after-call.{answer}", change)


# -- permissions of the one who runs it


def _readme_actions() -> list[str]:
    text = sections()["Permissions of the commands"]
    return sorted(
        f"{service}:{action}"
        for service, actions in re.findall(r"`(\w+):\{([\w, \n]+)\}`", text)
        for action in re.split(r",\s*", actions)
    )


def test_the_read_permissions_in_readme_are_enough(
    pipeline: Pipeline, doctor: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With them alone every check is made; each of them reads, and changes nothing."""
    actions = _readme_actions()
    assert all(re.match(r"\w+:(Get|List|Describe|Scan|Simulate)", action) for action in actions), (
        actions
    )
    monkeypatch.setattr(GATE, "allowed", actions)
    assert faults(doctor(pipeline)) == []
    assert faults(doctor(pipeline, "--queue", f"{pipeline.name}-events")) == []


@pytest.mark.parametrize(
    ("denied", "unknown"),
    [
        ("iam:SimulatePrincipalPolicy", {"permissions"}),
        ("dynamodb:Scan", {"ttl-seconds"}),
        ("dynamodb:DescribeTimeToLive", {"ttl"}),
        ("dynamodb:DescribeTable", {"table"}),
        ("sqs:GetQueueAttributes", {"queue", "queue-policy", "queue-key"}),
        ("events:ListTargetsByRule", {"target-dead-letter-queue"}),
        ("events:ListEventBuses", {"rules"}),
        ("lambda:ListEventSourceMappings", {"mappings", "event-source"}),
        ("lambda:GetFunctionConcurrency", {"concurrency", "reserved-concurrency"}),
        ("cloudwatch:DescribeAlarmsForMetric", {"dead-letter-alarm"}),
        ("lambda:GetFunctionConfiguration", {"function"}),
    ],
)
def test_what_may_not_be_read_is_unknown_and_said_so(
    pipeline: Pipeline,
    doctor: Callable[..., Said],
    monkeypatch: pytest.MonkeyPatch,
    denied: str,
    unknown: set[str],
) -> None:
    """The other checks are made all the same; the missing permission is named."""
    actions = [action for action in _readme_actions() if action != denied]
    assert len(actions) < len(_readme_actions())
    monkeypatch.setattr(GATE, "allowed", actions)
    said = doctor(pipeline)
    found = {finding["check"]: finding for finding in said.data if finding["status"] == "unknown"}
    assert set(found) == unknown
    for finding in found.values():
        assert denied in finding["what"]
        assert denied in finding["fix"]
    assert said.exit is Exit.UNSURE


def test_without_credentials_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not a traceback, and not a healthy pipeline."""
    monkeypatch.setattr("botocore.session.get_session", Session)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    nowhere = {"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_CONFIG_FILE": "/nonexistent"}
    said = run(["doctor", "--function", "f", "--json"], **nowhere)
    assert said.exit is Exit.UNSURE
    assert "credentials" in said.data[0]["what"]
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    said = run(["doctor", "--function", "f"], **nowhere)
    assert said.exit is Exit.FAILED
    assert "AWS_REGION" in said.err
