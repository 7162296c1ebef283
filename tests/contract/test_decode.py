"""Events inside SNS notifications, on every engine: one run, and a cause that sees through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxone_idem import Cause, Config, Deduplicator, sns
from tests.support.events import batch, envelope, failed, record
from tests.unit.sqs.test_decoding import TENANT, of_tenant
from tests.unit.test_sns import notification

if TYPE_CHECKING:
    from cxone_idem import Outcome


def test_the_cause_is_that_of_the_event_inside(table: Any) -> None:
    """Wrapped, then raw, then emitted again; each by a worker of its own."""
    outcomes: list[Outcome] = []
    ran: list[Any] = []
    event, again = envelope("k"), envelope("k", id="another")
    for number, body in enumerate([notification(event), event, notification(again)]):
        worker = Deduplicator(table.store(), on_outcome=outcomes.append, decode=sns.decode)
        assert failed(worker.process_batch(batch(record(f"m{number}", body)), ran.append)) == []
    assert ran == [event]
    assert [one.cause for one in outcomes[1:]] == [
        Cause.EVENTBRIDGE_DELIVERED_TWICE,
        Cause.CXONE_EMITTED_AGAIN,
    ]


def test_a_key_may_name_the_tenant_of_the_message(table: Any) -> None:
    """Each tenant's event runs, once."""
    ran: list[Any] = []
    config = Config(key=f"[{TENANT}, id]")
    for number, tenant in enumerate("abab"):
        event = batch(of_tenant(tenant, envelope("k"), f"m{number}"))
        worker = Deduplicator(table.store(), config)
        assert failed(worker.process_batch(event, ran.append)) == []
    assert len(ran) == 2
