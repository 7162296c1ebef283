"""Two functions given the same events: the second one's work is never dropped in silence."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, IdemError, MemoryStore, MessageStatus, once
from cxone_idem.aio.deduplicator import AsyncDeduplicator
from tests.support.awaited import awaited
from tests.support.events import batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Outcome

Event = dict[str, Any]
BOTH = r"write_crm did not run: its key 'k' is done by .*send_sms.*CXONE_IDEM_NAMESPACE"


def send_sms(event: Event) -> None:
    """Do the work first."""


def write_crm(event: Event) -> None:
    """Be the second."""
    raise AssertionError(event)


class Service:
    def send_sms(self, event: Event) -> None: ...

    def write_crm(self, event: Event) -> None:
        raise AssertionError(event)

    def __call__(self, event: Event) -> None: ...


@pytest.fixture
def outcomes() -> list[Outcome]:
    """Return what a deduplicator's `on_outcome` has seen."""
    return []


@pytest.fixture
def deduplicator(outcomes: list[Outcome]) -> Deduplicator:
    """Return the one that both functions go by."""
    return Deduplicator(MemoryStore(), on_outcome=outcomes.append)


def test_a_second_handler_is_an_error_that_names_both(
    deduplicator: Deduplicator, outcomes: list[Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    """Every message fails, is logged at ERROR, and the batch raises as no retry can help."""
    assert failed(deduplicator.process_batch(batch_of("k", "l"), send_sms)) == []
    caplog.set_level(logging.ERROR)
    with pytest.raises(IdemError, match=BOTH):
        deduplicator.process_batch(batch_of("k", "l"), write_crm)
    assert [outcome.status for outcome in outcomes[2:]] == [MessageStatus.SECOND_HANDLER] * 2
    assert [level for _, level, _ in caplog.record_tuples] == [logging.ERROR] * 2
    assert failed(deduplicator.process_batch(batch_of("k", "l"), send_sms)) == []


def test_beside_work_that_is_done_only_its_message_fails(deduplicator: Deduplicator) -> None:
    """A batch in which anything was done does not raise."""
    deduplicator.process_batch(batch_of("k"), send_sms)
    response = deduplicator.process_batch(batch_of("k", "new"), Service().send_sms)
    assert failed(response) == ["m0"]


def test_a_fifo_group_waits_behind_a_second_handlers_message(deduplicator: Deduplicator) -> None:
    """It failed; what is behind it says nothing of retrying, so the batch raises."""
    event = batch(*(record(key, envelope(key), group="g", fifo=True) for key in "kl"))
    deduplicator.process_batch(batch_of("k"), send_sms)
    with pytest.raises(IdemError, match=BOTH):
        deduplicator.process_batch(event, write_crm)


@pytest.mark.parametrize("max_workers", [1, 3])
def test_in_threads_a_second_handler_is_an_error_too(
    deduplicator: Deduplicator, max_workers: int
) -> None:
    """Whichever lane meets it."""
    deduplicator.process_batch(batch_of("k", "l"), send_sms, max_workers=max_workers)
    with pytest.raises(IdemError, match=r"done by .*send_sms"):
        deduplicator.process_batch(batch_of("k", "l"), write_crm, max_workers=max_workers)


def test_what_another_process_did_counts_as_the_first_ones(deduplicator: Deduplicator) -> None:
    """After a retry elsewhere both find the key done: the second still has not run."""
    elsewhere = Deduplicator(deduplicator.claims._session._store)  # noqa: SLF001 -- another process's
    elsewhere.process_batch(batch_of("k"), send_sms)
    assert failed(deduplicator.process_batch(batch_of("k"), send_sms)) == []
    with pytest.raises(IdemError, match=BOTH):
        deduplicator.process_batch(batch_of("k"), write_crm)


def test_once_and_a_batch_know_of_each_other(deduplicator: Deduplicator) -> None:
    """In either order; the same function, decorated or not, is one."""
    sms, crm = (once(deduplicator=deduplicator)(function) for function in (send_sms, write_crm))
    sms(envelope("k"))
    with pytest.raises(IdemError, match=BOTH):
        deduplicator.process_batch(batch_of("k"), write_crm)
    assert failed(deduplicator.process_batch(batch_of("k"), send_sms)) == []
    deduplicator.process_batch(batch_of("l"), send_sms)
    with pytest.raises(IdemError, match="write_crm did not run: its key 'l'"):
        crm(envelope("l"))
    sms(envelope("l"))


def test_the_async_adapter_knows_its_handlers_by_their_names(deduplicator: Deduplicator) -> None:
    """Not by what runs them."""
    process_batch = AsyncDeduplicator(deduplicator).process_batch
    assert failed(awaited(process_batch, batch_of("k"), send_sms)) == []
    assert failed(awaited(process_batch, batch_of("k"), functools.partial(send_sms))) == []
    assert failed(deduplicator.process_batch(batch_of("k"), send_sms)) == []
    with pytest.raises(IdemError, match=BOTH):
        awaited(process_batch, batch_of("k"), write_crm)


@pytest.mark.parametrize(
    ("first", "again", "second", "named"),
    [
        (Service().send_sms, Service().send_sms, Service().write_crm, r"Service\.send_sms"),
        (functools.partial(send_sms), send_sms, functools.partial(write_crm), "send_sms"),
        (Service(), Service(), send_sms, r"test_key_owners\.Service,"),
        (
            functools.partial(Service().send_sms),
            Service().send_sms,
            functools.partial(Service().write_crm),
            r"Service\.send_sms",
        ),
        ([].append, [].append, print, r"list\.append"),
    ],
    ids=["methods", "partials", "objects", "partials of methods", "builtins"],
)
def test_names_are_found_under_what_wraps_them(
    deduplicator: Deduplicator,
    first: Callable[[Event], object],
    again: Callable[[Event], object],
    second: Callable[[Event], object],
    named: str,
) -> None:
    """One function wrapped twice is one; another one is named by its own name."""
    deduplicator.process_batch(batch_of("k"), first)
    assert failed(deduplicator.process_batch(batch_of("k"), again)) == []
    with pytest.raises(IdemError, match=f"done by .*{named}"):
        deduplicator.process_batch(batch_of("k"), second)


def test_functions_made_anew_for_each_batch_are_one(deduplicator: Deduplicator) -> None:
    """As README's are: a lambda in the Lambda handler."""

    def handler(event: Any) -> Any:
        ran: list[Event] = []
        return deduplicator.process_batch(event, lambda one: ran.append(one))  # noqa: PLW0108 -- a function of its own

    assert [failed(handler(batch_of("k"))) for _ in range(2)] == [[], []]


def test_the_kill_switch_knows_no_second_handler() -> None:
    """Everything runs."""
    deduplicator = Deduplicator(MemoryStore(), Config(disabled=True))
    assert failed(deduplicator.process_batch(batch_of("k"), send_sms)) == []
    assert failed(deduplicator.process_batch(batch_of("k"), write_crm)) == ["m0"]
