"""A pipeline as somebody would deploy it: healthy, until a test plants a fault in it."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACCOUNT = "123456789012"
_DAY_SECONDS = 86_400
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Cloud:
    """An engine's services, as the person who deploys reaches them."""

    def __init__(self, endpoint: str | None) -> None:
        self.endpoint = endpoint
        session = boto3.Session()

        def client(service: str) -> Any:
            return session.client(service, endpoint_url=endpoint)

        self.dynamodb = client("dynamodb")
        self.sqs = client("sqs")
        self.functions = client("lambda")
        self.events = client("events")
        self.iam = client("iam")
        self.kms = client("kms")
        self.alarms = client("cloudwatch")


class Pipeline:
    """Rule, queue, dead-letter queues, function, role and table, under names of their own."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.name = f"idem-{uuid.uuid4().hex[:8]}"
        self.bus = f"{self.name}-bus"
        self._create_table()
        self.dead_letter_arn = self._create_queue("dead", 10 * _DAY_SECONDS)
        self.queue_arn = self._create_queue("events", 4 * _DAY_SECONDS)
        self.set_queue(
            VisibilityTimeout="180",
            RedrivePolicy=json.dumps(
                {"deadLetterTargetArn": self.dead_letter_arn, "maxReceiveCount": 5}
            ),
        )
        self.role_arn = self._create_role()
        self._create_function()
        self._create_rule()
        self.cloud.sqs.set_queue_attributes(
            QueueUrl=self.url("dead"), Attributes={"Policy": self.letting_in(self.dead_letter_arn)}
        )
        self._create_alarm()

    # What tests plant faults with.

    def set_queue(self, **attributes: str) -> None:
        """Change attributes of the queue, whose policy moto forgets at each change."""
        attributes = {"Policy": self.letting_in(self.queue_arn), **attributes}
        self.cloud.sqs.set_queue_attributes(QueueUrl=self.url("events"), Attributes=attributes)

    def letting_in(self, queue_arn: str, source: str = "arn:aws:events:*", **changes: Any) -> str:
        """Return a policy that lets EventBridge send to a queue."""
        return _policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnLike": {"aws:SourceArn": source}},
                **changes,
            }
        )

    def set_function(self, **settings: Any) -> None:
        """Change the function's configuration."""
        self.cloud.functions.update_function_configuration(FunctionName=self.name, **settings)

    def set_environment(self, **variables: str) -> None:
        """Add variables to the function's environment."""
        known = {"CXONE_IDEM_TABLE": self.name}
        self.set_function(Environment={"Variables": {**known, **variables}})

    def set_mapping(self, **settings: Any) -> None:
        """Make the event source mapping anew: engines cannot change all of one."""
        self.cloud.functions.delete_event_source_mapping(UUID=self.mapping)
        self._map(**settings)

    def set_rule(self, pattern: Mapping[str, Any], state: str = "ENABLED") -> None:
        """Change the rule's pattern and state."""
        self.cloud.events.put_rule(
            Name=self.name, EventBusName=self.bus, EventPattern=json.dumps(pattern), State=state
        )

    def set_target(self, arn: str, **settings: Any) -> None:
        """Change where the rule sends events, and in which shape."""
        target = {"Id": "1", "Arn": arn, **settings}
        self.cloud.events.put_targets(Rule=self.name, EventBusName=self.bus, Targets=[target])

    def allow(self, *statements: Mapping[str, Any]) -> None:
        """Replace what the role may do on the table."""
        self.cloud.iam.put_role_policy(
            RoleName=self.name, PolicyName="table", PolicyDocument=_policy(*statements)
        )

    def set_ttl(self, attribute: str, *, on: bool) -> None:
        """Switch the table's TTL on for an attribute, or off."""
        self.cloud.dynamodb.update_time_to_live(
            TableName=self.name,
            TimeToLiveSpecification={"AttributeName": attribute, "Enabled": on},
        )

    def put_item(self, **expires_at: str) -> None:
        """Put an item with a value in the TTL attribute."""
        item = {"id": {"S": "k"}, "expires_at": expires_at}
        self.cloud.dynamodb.put_item(TableName=self.name, Item=item)

    def grant(self, *actions: str) -> dict[str, Any]:
        """Return a statement that allows actions on the table."""
        return {"Effect": "Allow", "Action": list(actions), "Resource": self.table_arn}

    # How it is deployed.

    def _create_table(self) -> None:
        self.table_arn = self.cloud.dynamodb.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )["TableDescription"]["TableArn"]
        self.set_ttl("expires_at", on=True)
        self.put_item(N="1800000000")

    def _create_queue(self, kind: str, retention_seconds: int) -> str:
        attributes = {"MessageRetentionPeriod": str(retention_seconds)}
        self.cloud.sqs.create_queue(QueueName=f"{self.name}-{kind}", Attributes=attributes)
        answer = self.cloud.sqs.get_queue_attributes(
            QueueUrl=self.url(kind), AttributeNames=["QueueArn"]
        )
        arn: str = answer["Attributes"]["QueueArn"]
        return arn

    def url(self, kind: str) -> str:
        """Return the URL of `events` or `dead`."""
        url: str = self.cloud.sqs.get_queue_url(QueueName=f"{self.name}-{kind}")["QueueUrl"]
        return url

    def _create_role(self) -> str:
        iam = self.cloud.iam
        arn: str = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(_TRUST))[
            "Role"
        ]["Arn"]
        self.allow(self.grant("dynamodb:PutItem", "dynamodb:PartiQLI*", "dynamodb:PartiQLUpdate"))
        actions = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"]
        poll = {
            "Effect": "Allow",
            "Action": [f"sqs:{action}" for action in actions],
            "Resource": self.queue_arn,
        }
        log = {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:aws:logs:*:*:log-group:/aws/lambda/{self.name}:*",
        }
        iam.put_role_policy(RoleName=self.name, PolicyName="log", PolicyDocument=_policy(log))
        policy = iam.create_policy(PolicyName=f"{self.name}-poll", PolicyDocument=_policy(poll))
        self.poll_policy_arn = policy["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=self.name, PolicyArn=self.poll_policy_arn)
        return arn

    def _create_function(self) -> None:
        self.function_arn = self.cloud.functions.create_function(
            FunctionName=self.name,
            Runtime="python3.12",
            Role=self.role_arn,
            Handler="handler.handler",
            Code={"ZipFile": _code()},
            Timeout=30,
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
            Environment={"Variables": {"CXONE_IDEM_TABLE": self.name}},
        )["FunctionArn"]
        self._map()

    def _map(self, **settings: Any) -> None:
        self.mapping = self.cloud.functions.create_event_source_mapping(
            **{
                "EventSourceArn": self.queue_arn,
                "FunctionName": self.function_arn,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                **settings,
            }
        )["UUID"]

    def _create_alarm(self) -> None:
        self.cloud.alarms.put_metric_alarm(
            AlarmName=self.name,
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": f"{self.name}-dead"}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )

    def _create_rule(self) -> None:
        self.cloud.events.create_event_bus(Name=self.bus)
        self.set_rule({"detail-type": ["conversation.start"]})
        self.set_target(self.queue_arn, DeadLetterConfig={"Arn": self.dead_letter_arn})


def _policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@cache
def _code() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("handler.py", "def handler(event, context): ...")
    return archive.getvalue()
