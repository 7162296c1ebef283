"""What each failure of DynamoDB reads like, by botocore's own errors and a real engine's."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config as ClientConfig
from botocore.exceptions import ConnectionClosedError

from cxone_idem import Config, ConfigError, Deduplicator, DynamoDBStore, StoreError
from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import UnreadError
from cxone_idem.record import Record, State
from cxone_idem.runtime import Runtime
from cxone_idem.sqs.queue import create_sqs_client
from cxone_idem.stores.dynamodb import create_client
from examples.local_stack import free_port
from tests.support.aws_answers import Body

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

PATIENT = Runtime(sleep=lambda _: None)


def client_that_answers(status: int, code: str, message: str = "said AWS") -> Any:
    """Return a real client whose every request is answered with one error."""

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        body = f'{{"__type": "com.amazonaws.dynamodb#{code}", "message": "{message}"}}'
        headers: Any = {
            "x-amzn-requestid": "REQUEST-1",
            "content-type": "application/x-amz-json-1.0",
        }
        return AWSResponse(request.url, status, headers, Body(body.encode()))

    client = boto3.client(
        "dynamodb", config=ClientConfig(retries={"mode": "standard", "total_max_attempts": 1})
    )
    client.meta.events.register("before-send.dynamodb.PutItem", answer)
    return client


@pytest.mark.parametrize(
    ("status", "code", "says", "outcome_unknown"),
    [
        (400, "ResourceNotFoundException", "no such table", False),
        (400, "AccessDeniedException", "allow dynamodb:PutItem", False),
        (400, "UnrecognizedClientException", "AWS refused the caller", False),
        (400, "ProvisionedThroughputExceededException", "throttled", False),
        (400, "ThrottlingException", "throttled", False),
        (400, "ReplicatedWriteConflictException", "retrying helps", False),
        (400, "ValidationException", "rejected the request", False),
        (500, "InternalServerError", "DynamoDB failed", True),
        (503, "ServiceUnavailable", "DynamoDB failed", True),
    ],
)
def test_each_answer_of_dynamodb_reads_differently(
    status: int,
    code: str,
    says: str,
    outcome_unknown: bool,  # noqa: FBT001
) -> None:
    """Table, operation, AWS's code and request id are kept; what to do is said."""
    client = client_that_answers(status, code)
    deduplicator = Deduplicator(DynamoDBStore("events", client, runtime=PATIENT))
    with pytest.raises(StoreError, match=says) as caught:
        deduplicator.claim("k")
    error = caught.value
    assert (error.table, error.operation, error.code) == ("events", "PutItem", code)
    assert error.request_id == "REQUEST-1"
    assert error.outcome_unknown is outcome_unknown
    for part in ("events", "PutItem", code, "REQUEST-1", "retrying"):
        assert part in str(error)


def test_a_missing_table_names_the_region_that_was_asked() -> None:
    """It is the likeliest mistake."""
    client = client_that_answers(400, "ResourceNotFoundException")
    with pytest.raises(StoreError, match=f"in region {client.meta.region_name} of this account"):
        Deduplicator(DynamoDBStore("events", client)).claim("k")


def test_a_refusal_without_its_item_says_so() -> None:
    """An engine or SDK too old to return the item cannot be decided on, and is not looped on."""
    client = client_that_answers(400, "ConditionalCheckFailedException")
    with pytest.raises(StoreError, match="without the item that refused it"):
        Deduplicator(DynamoDBStore("events", client)).claim("k")


def test_a_final_answer_after_a_lost_one_leaves_the_outcome_unknown() -> None:
    """The first attempt may have been executed, whatever the second one was answered."""
    client = boto3.client(
        "dynamodb", config=ClientConfig(retries={"mode": "standard", "total_max_attempts": 2})
    )
    attempts = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        attempts.append(request)
        if len(attempts) == 1:
            raise ConnectionClosedError(endpoint_url=request.url)
        headers: Any = {}
        return AWSResponse(request.url, 400, headers, Body(b'{"__type": "x#ThrottlingException"}'))

    client.meta.events.register("before-send.dynamodb.PutItem", answer)
    record = Record("k", State.IN_PROGRESS, "v", 1, 0, None)
    with pytest.raises(StoreError, match="throttled") as caught:
        DynamoDBStore("events", client).put_if(record, None)
    assert caught.value.outcome_unknown


def test_an_unreachable_endpoint_says_so() -> None:
    """Nobody listens: the endpoint and what to check are named."""
    url = f"http://127.0.0.1:{free_port()}"
    config = ClientConfig(retries={"mode": "standard", "total_max_attempts": 1})
    client = boto3.client("dynamodb", endpoint_url=url, config=config)
    with pytest.raises(StoreError, match="could not be reached") as caught:
        Deduplicator(DynamoDBStore("events", client)).claim("k")
    assert url in str(caught.value)
    assert caught.value.code is None


def test_missing_credentials_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials anywhere is not a network problem."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client = boto3.Session().client("dynamodb", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(StoreError, match="give the consumer a role or credentials"):
        Deduplicator(DynamoDBStore("events", client)).claim("k")


def test_aws_region_names_the_region_as_in_other_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore reads AWS_DEFAULT_REGION alone; every default client takes AWS_REGION too."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    clients = [create_client(), create_sqs_client(attempts=1, answer_seconds=1)]
    account = Account()
    assert [client.meta.region_name for client in clients] == ["eu-central-1"] * 2
    with pytest.raises(UnreadError, match="odd"):
        account.ask("sts", "get_caller_identity", odd=1)


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        (
            "AccessDeniedException",
            "User is not authorized to perform: kms:Decrypt on this resource",
            "kms:Decrypt on the key",
        ),
        ("AccessDeniedException", "KMS key access denied error", "kms:Decrypt on the key"),
        ("AccessDeniedException", "not authorized: dynamodb:PutItem", "allow dynamodb:PutItem"),
        (
            "ValidationException",
            "One or more parameter values were invalid: Missing the key sk in the item",
            "without a sort key",
        ),
        (
            "ValidationException",
            "One of the required keys was not given a value",
            "CXONE_IDEM_PARTITION_KEY",
        ),
        (
            "ValidationException",
            "The provided key element does not match the schema",
            "CXONE_IDEM_PARTITION_KEY",
        ),
        (
            "ValidationException",
            "Type mismatch for key id expected: N actual: S",
            "one text attribute",
        ),
    ],
)
def test_the_advice_is_for_what_aws_said(code: str, message: str, advice: str) -> None:
    """A key of KMS, a table with another key: neither is a missing dynamodb:PutItem."""
    client = client_that_answers(400, code, message)
    with pytest.raises(StoreError) as caught:
        Deduplicator(DynamoDBStore("events", client)).claim("k")
    assert advice in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.parametrize("error", [RuntimeError("a hook"), KeyError("segment")])
def test_what_a_hook_raises_is_an_unknown_outcome(error: Exception) -> None:
    """X-Ray's patch and other hooks raise what they like; the write may have been sent."""

    def raises(**_: object) -> None:
        raise error

    client = client_that_answers(400, "ThrottlingException")
    client.meta.events.register_first("before-call.dynamodb", raises)
    with pytest.raises(StoreError) as caught:
        Deduplicator(DynamoDBStore("events", client, runtime=PATIENT)).claim("k")
    assert caught.value.outcome_unknown
    assert caught.value.__cause__ is error


def test_a_missing_region_is_a_setting_to_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region there is no client."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(ConfigError, match="AWS_REGION"):
        create_client()


def test_the_sdk_gives_up_before_a_lambda_does() -> None:
    """The default client's time-outs are a second each, not the SDK's minute."""
    config = create_client().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 1)
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}


def test_endpoint_and_region_are_the_sdks_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own variables are honoured."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert create_client().meta.endpoint_url == "http://127.0.0.1:9"


def test_errors_survive_pickling() -> None:
    """Consumers hand errors between processes."""
    error = StoreError("problem", "t", "PutItem", "Code", "id", outcome_unknown=True)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(copy) == str(error)
    assert copy.outcome_unknown
    mistakes = ConfigError(("a", "b"))
    assert str(pickle.loads(pickle.dumps(mistakes))) == str(mistakes)  # noqa: S301


def test_disabled_needs_no_aws_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the switch thrown, a broken region or role stops nothing."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)
    assert Deduplicator.from_environ({"CXONE_IDEM_DISABLED": "1"}).claim("k")
    assert Config.from_environ({"CXONE_IDEM_DISABLED": "1"}).disabled
