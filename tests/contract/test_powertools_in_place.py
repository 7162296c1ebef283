"""Powertools' table in place: its records recognised, and the guide's consumers on it."""

from __future__ import annotations

import importlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import idempotent
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyPersistenceLayerError

from cxone_idem import AlreadyDone, InProgressError, StoreError, once
from cxone_idem import deduplicator as front_door
from examples.migration.powertools_key import PowertoolsKey
from tests.support.documents import ROOT, code_blocks
from tests.support.events import Context, batch, failed, record
from tests.support.powertools import RESULT, Old, event_of, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

(SETTINGS,) = code_blocks("In place of Powertools", "shell")
IN_A_BATCH, BY_RECORD = code_blocks("In place of Powertools")


@pytest.fixture(autouse=True)
def _on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "consumer")
    monkeypatch.syspath_prepend(ROOT / "examples" / "migration")


@pytest.fixture
def old(items: Any) -> Old:
    """Return the consumer before, on each engine in turn."""
    return Old(items, SETTINGS)


def test_a_handler_of_one_event_is_recognised(old: Old) -> None:
    """Under `@idempotent`, whose prefix is the handler's name; its result comes back too."""
    ran: list[Any] = []

    def handler(event: dict[str, Any], context: Any) -> Any:  # noqa: ARG001 -- Lambda's shape
        ran.append(event)
        return RESULT

    idempotent(persistence_store=old.layer())(handler)(event_of("k"), Context(30_000))
    key = PowertoolsKey(f"consumer.{__name__}.{handler.__qualname__}")
    after = once(key=key, store_result=True, deduplicator=old.after())(handler)
    assert after(event_of("k"), Context(30_000)) == RESULT
    assert len(ran) == 1
    for _ in range(2):
        after(event_of("other"), Context(30_000))
    assert len(ran) == 2


def test_a_record_of_work_that_is_done_counts_within_its_expiration(old: Old) -> None:
    """After it, it is absent, whether or not TTL has deleted it."""
    old.run("done", payload_validation_jmespath="@")
    old.run("past", expires_after_seconds=-5)
    done = old.after().claim(key_of("done"))
    assert isinstance(done, AlreadyDone)
    assert done.result == RESULT
    claim = old.after().claim(key_of("past"))
    assert claim
    claim.complete()
    assert isinstance(old.after().claim(key_of("past")), AlreadyDone)


def test_what_an_old_worker_has_is_in_progress_until_its_lease_ends(old: Old) -> None:
    """By the time its invocation had left; then one worker takes over."""
    seen: list[InProgressError] = []

    def work(**_: Any) -> None:
        with pytest.raises(InProgressError) as caught:
            old.after().claim(key_of("k"))
        seen.append(caught.value)

    old.run("k", work)
    assert 25 < seen[0].retry_after_seconds < 35

    with pytest.raises(KeyboardInterrupt):  # as a killed process: Powertools cleans nothing up
        old.run("dead", _die, context=Context(1))
    time.sleep(1.1)
    first, second = old.after(), old.after()
    claim = first.claim(key_of("dead"))
    assert claim
    with pytest.raises(InProgressError):
        second.claim(key_of("dead"))
    claim.complete()


def test_without_a_lambda_context_the_lease_is_the_whole_retention(old: Old) -> None:
    """Powertools itself would wait as long."""
    for data, seconds in (("k", 3600), ("past", -5)):
        with pytest.warns(UserWarning, match="remaining time"), pytest.raises(KeyboardInterrupt):
            old.run(data, _die, context=None, expires_after_seconds=seconds)
    with pytest.raises(InProgressError) as caught:
        old.after().claim(key_of("k"))
    assert caught.value.retry_after_seconds > 3000
    assert old.after().claim(key_of("past"))


def test_what_failed_before_runs(old: Old) -> None:
    """Powertools deletes its record then."""
    with pytest.raises(ZeroDivisionError):
        old.run("k", lambda **_: 1 // 0)
    assert old.after().claim(key_of("k"))


def test_work_of_which_no_end_can_be_seen_fails(old: Old) -> None:
    """Neither of the two times has the name that is expected."""
    old.items.put_raw({"id": {"S": "k"}, "status": {"S": "INPROGRESS"}, "ttl": {"N": "1"}})
    with pytest.raises(StoreError, match="another library is or was at work"):
        old.after().claim("k")


@pytest.mark.parametrize("complete", [True, False])
def test_after_a_rollback_powertools_fails_and_drops_nothing(old: Old, *, complete: bool) -> None:
    """On a record of ours, until that expires."""
    claim = old.after().claim(key_of("k"))
    assert claim
    if complete:
        claim.complete()
    ran: list[Any] = []
    with pytest.raises(IdempotencyPersistenceLayerError):
        old.run("k", lambda data: ran.append(data))  # noqa: PLW0108 -- it is passed by name
    assert not ran


def consumer(old: Old, block: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return the handler of a block of the guide, made as in a new process."""
    monkeypatch.setattr(front_door._process, "make", lambda *_: old.after())  # noqa: SLF001
    monkeypatch.setattr(front_door._process, "default", None)  # noqa: SLF001
    names: dict[str, Any] = {"__name__": "app"}
    exec(block, names)  # noqa: S102 -- README's own code
    handler: Callable[..., Any] = names["handler"]
    return handler


@pytest.mark.parametrize("by_record", [False, True], ids=["process_batch", "BatchProcessor"])
def test_the_guides_consumer_goes_on_where_powertools_was(
    old: Old,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    by_record: bool,
) -> None:
    """What was done is dropped, what is new runs once, and a bad message fails alone."""
    messages = {name: record(name, event_of(name)) for name in ("old", "new")}
    if by_record:
        data: Any = SQSRecord(messages["old"])
        name, expression = "record_handler", "messageId"
    else:
        data, name, expression = event_of("old"), "process_event", "detail.IdempotencyKey"
    old.run(data, event_key_jmespath=expression, key_prefix=f"consumer.app.{name}")
    bad = {**record("bad", {}), "body": "[1]"}
    for _ in range(2):
        handler = consumer(old, BY_RECORD if by_record else IN_A_BATCH, monkeypatch)
        assert failed(handler(batch(*messages.values(), bad), Context(30_000))) == ["bad"]
    assert capsys.readouterr().out.splitlines() == ["starting new"]


def test_a_batch_may_be_keyed_by_message(old: Old) -> None:
    """As the guide says of `messageId` and `process_batch`."""
    keys = importlib.import_module("powertools_key")
    message = record("m", event_of("k"))
    old.run(SQSRecord(message), event_key_jmespath="messageId")
    event = keys.with_keys(batch(message), keys.PowertoolsKey("old", "messageId"), lambda one: one)
    ran: list[Any] = []
    assert failed(old.after().process_batch(event, ran.append)) == []
    assert not ran
    assert json.loads(message["body"]) == event_of("k"), "the caller's event is as it was"


def _die(**_: Any) -> None:
    raise KeyboardInterrupt
