"""What `decode` may return and raise, and what an expression finds in the record."""

from __future__ import annotations

import base64
import gzip
import json
import re
import traceback
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, KeyMissingError, MemoryStore, MessageStatus, once
from cxone_idem.sqs.decoding import find_ids
from cxone_idem.testing.rehearsal import Rehearsal
from tests.support.documents import code_blocks
from tests.support.events import Context, batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Outcome

TENANT = "sqs.messageAttributes.tenant.stringValue"


def of_tenant(tenant: str, body: Any, message_id: str = "m") -> dict[str, Any]:
    """Return a record whose sender named a tenant."""
    made = record(message_id, body)
    made["messageAttributes"] = {"tenant": {"stringValue": tenant, "dataType": "String"}}
    return made


@pytest.mark.parametrize(
    "of",
    [dict, MappingProxyType, json.dumps, lambda event: json.dumps(event).encode()],
    ids=["dict", "mapping", "text", "bytes"],
)
@pytest.mark.parametrize("disabled", [False, True])
def test_decode_returns_the_event_or_its_json(
    of: Callable[[Any], Any],
    disabled: bool,  # noqa: FBT001
) -> None:
    """It gets the record as it was delivered, and its event has the key."""
    outcomes: list[Outcome] = []
    ran: list[Any] = []
    seen: list[Any] = []
    config = Config(disabled=disabled)
    deduplicator = Deduplicator(MemoryStore(), config, on_outcome=outcomes.append)

    def decode(one: dict[str, Any]) -> Any:
        seen.append(one)
        return of(envelope(one["body"]))

    event = batch(record("m0", "k"))
    assert failed(deduplicator.process_batch(event, ran.append, decode=decode)) == []
    assert ran == [envelope("k")]
    assert seen == event["Records"]
    assert outcomes[0].key == ("" if disabled else "k")
    assert outcomes[0].origin.event_id == "event-of-k"


def raises(one: dict[str, Any]) -> str:
    """Fail with the payload in the error's text."""
    raise ValueError(one["body"])


@pytest.mark.parametrize(
    ("decode", "says"),
    [
        (raises, "decode tests.unit.sqs.test_decoding.raises raised ValueError, so there is no"),
        (lambda _: None, "test_decoding.<lambda> returned None, expected a JSON object"),
        (lambda _: 17, "test_decoding.<lambda> returned an int, expected"),
        (lambda one: [one], "test_decoding.<lambda> returned a list, expected"),
        (lambda one: one["body"], "test_decoding.<lambda> returned a text that is not JSON"),
        (lambda one: json.dumps([one]), "expected a JSON object"),
        (lambda one: {"secret": one}, "no usable key"),
    ],
)
def test_what_decode_cannot_do_fails_its_message(
    decode: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As one without a key, with advice and without its payload."""
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(MemoryStore(), on_outcome=outcomes.append, decode=decode)
    response = deduplicator.process_batch(batch(record("m", "secret")), lambda _: None)
    assert failed(response) == ["m"]
    assert outcomes[0].status is MessageStatus.KEY_MISSING
    assert says in caplog.text
    assert "retrying does not help" in caplog.text
    assert "secret" not in caplog.text + repr(outcomes[0].error)
    assert outcomes[0].error
    assert "secret" not in "".join(traceback.format_exception(outcomes[0].error))


def test_one_call_may_decode_in_its_own_way() -> None:
    """Instead of as the deduplicator does."""
    ran: list[Any] = []
    deduplicator = Deduplicator(MemoryStore(), decode=raises)
    event = batch(record("m", "k"))
    response = deduplicator.process_batch(
        event, ran.append, decode=lambda one: envelope(one["body"])
    )
    assert failed(response) == []
    assert len(ran) == 1
    assert failed(deduplicator.process_batch(event, ran.append)) == ["m"]


async def asynchronous(one: Any) -> Any:
    """Decode, but only once awaited."""
    return one


@pytest.mark.parametrize("decode", [17, "cxone_idem.sns:decode", asynchronous, lambda: None])
def test_what_cannot_decode_is_refused(decode: Any) -> None:
    """Before anything is claimed."""
    deduplicator = Deduplicator(MemoryStore())
    with pytest.raises(TypeError, match=r"^decode must be a function of one SQS record, but"):
        deduplicator.process_batch(batch_of("k"), lambda _: None, decode=decode)
    with pytest.raises(TypeError, match=r"^decode must be"):
        Deduplicator(MemoryStore(), decode=decode)


def test_no_async_advice_is_given_to_a_decode() -> None:
    """It is called in the thread of a batch: there is no async way."""
    with pytest.raises(TypeError, match=r"it is async, .*: pass a plain function; retrying"):
        Deduplicator(MemoryStore(), decode=asynchronous)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "the record has no body, expected a JSON object"),
        ({"a": 1}, "its body is a dict, expected a JSON object"),
        ("H4sIAAAA", r"a text that is not JSON .*: send JSON, or pass a decode="),
        ("null", "its body is null"),
    ],
)
def test_what_is_no_body_is_named(body: Any, says: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each by what is wrong with it, and with what helps."""
    one = {**record("m", "{}"), "body": body}
    assert failed(Deduplicator(MemoryStore()).process_batch(batch(one), print)) == ["m"]
    assert re.search(says, caplog.text)


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("sqs.messageId", "m"),
        (f"[{TENANT}, id]", '["t","event-of-k"]'),
        (f"join('/', [{TENANT}, id])", "t/event-of-k"),
        ("sqs.attributes.ApproximateReceiveCount", "1"),
        ("detail.sqs || id", "event-of-k"),
    ],
)
def test_an_expression_finds_the_record_by_name(expression: str, key: str) -> None:
    """As Lambda delivered it."""
    event = envelope("k")
    config = Config(key=expression)
    assert find_ids(event, of_tenant("t", event), config)[0] == key
    assert event == envelope("k")


def test_an_expression_that_does_not_name_it_sees_the_event_alone() -> None:
    """Whatever it makes of the whole of it."""
    event = {"id": "e", "detail": {}}
    for expression in ("keys(@)", "join('sqs', keys(@))"):
        config = Config(key=expression)
        assert "messageId" not in find_ids(event, of_tenant("t", event), config)[0]
    assert find_ids(event, {}, Config(key="length(@)"))[0] == "2"


def test_an_event_keeps_what_it_calls_sqs() -> None:
    """Its own member is what the expression finds, or does not find, there."""
    event = envelope("k", sqs={"messageId": "of the event"})
    assert find_ids(event, of_tenant("t", event), Config(key="sqs.messageId"))[0] == "of the event"
    with pytest.raises(KeyMissingError):
        find_ids(event, of_tenant("t", event), Config(key=TENANT))


def test_the_fingerprint_sees_it_too() -> None:
    """Two tenants under one key are not one event."""
    outcomes: list[Outcome] = []
    config = Config(fingerprint=TENANT)
    deduplicator = Deduplicator(MemoryStore(), config, on_outcome=outcomes.append)
    for tenant in ("a", "b", "a"):
        event = batch(of_tenant(tenant, envelope("k")))
        deduplicator.process_batch(event, lambda _: None)
    assert [one.status.value for one in outcomes] == [
        "completed",
        "fingerprint_mismatch",
        "already_done",
    ]


def test_once_has_no_record() -> None:
    """Nothing is found under that name, so nothing is taken for a key."""
    deduplicator = Deduplicator(MemoryStore(), Config(key="sqs.messageId"))
    function = once(deduplicator=deduplicator)(lambda event: event)
    with pytest.raises(KeyMissingError, match="finds null"):
        function(envelope("k"))


def test_the_guides_key_is_one_for_each_tenant() -> None:
    """Two tenants do not share an event's key."""
    (line,) = code_blocks("The message behind an event", "text")
    name, _, expression = line.strip().partition("=")
    deduplicator = Deduplicator(MemoryStore(), Config.from_environ({name: expression}))
    ran: list[Any] = []
    for number, tenant in enumerate("abab"):
        event = batch(of_tenant(tenant, envelope("k"), f"m{number}"))
        deduplicator.process_batch(event, ran.append)
    assert len(ran) == 2


def test_the_guides_handler_prints_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    """Tenant, event, message, receive count and trace."""
    (block,) = code_blocks("The message behind an event")
    names: dict[str, Any] = {}
    with Rehearsal().serving():
        exec(block, names)  # noqa: S102 -- the guide's own code
    made = of_tenant("t1", envelope("k"))
    made["attributes"]["AWSTraceHeader"] = "Root=1-abc"
    assert failed(names["handler"](batch(made), Context())) == []
    assert capsys.readouterr().out == "t1 event-of-k m 1 Root=1-abc\n"


def test_the_guides_decoders_decode() -> None:
    """SNS, and gzip in base64, each on the deduplicator it makes."""
    unwraps, unzips = code_blocks("Events inside other things")
    wrapped = {"Type": "Notification", "TopicArn": "arn", "Message": json.dumps(envelope("k"))}
    zipped = base64.b64encode(gzip.compress(json.dumps(envelope("k")).encode())).decode()
    for block, body in ((unwraps, wrapped), (unzips, zipped)):
        ran: list[Any] = []
        names: dict[str, Any] = {}
        with Rehearsal().serving():
            exec(block, names)  # noqa: S102 -- the guide's own code
        event = batch(record("m", body))
        assert failed(names["deduplicator"].process_batch(event, ran.append)) == []
        assert ran == [envelope("k")]
