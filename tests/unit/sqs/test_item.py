"""One message does not take its neighbours along, whatever its handler raises."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import Config, Deduplicator, MemoryStore, MessageStatus
from cxone_idem.record import State
from tests.support.events import batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem import Outcome
    from cxone_idem.protocol.store import PutResult
    from cxone_idem.record import Record

Event = dict[str, Any]
FAILURES = [asyncio.CancelledError, concurrent.futures.CancelledError, GeneratorExit, StopIteration]


class ThirdPartyEnd(BaseException):
    """What another framework ends a process or a task with."""


def raising(error: type[BaseException]) -> Callable[[Event], None]:
    """Return a handler that raises for the key `b`."""

    def handler(event: Event) -> None:
        if event["detail"]["IdempotencyKey"] == "b":
            raise error

    return handler


@pytest.mark.parametrize("error", FAILURES)
@pytest.mark.parametrize("max_workers", [1, 3])
@pytest.mark.parametrize("disabled", [False, True])
def test_a_cancellation_is_the_failure_of_its_message(
    error: type[BaseException],
    max_workers: int,
    disabled: bool,  # noqa: FBT001
) -> None:
    """Its key is free, it comes back, the others are done."""
    store = MemoryStore()
    outcomes: list[Outcome] = []
    deduplicator = Deduplicator(store, Config(disabled=disabled), on_outcome=outcomes.append)
    response = deduplicator.process_batch(
        batch_of("a", "b", "c"), raising(error), max_workers=max_workers
    )
    assert failed(response) == ["m1"]
    assert outcomes[1].status is MessageStatus.HANDLER_FAILED
    assert isinstance(outcomes[1].error, error)
    if not disabled:
        assert [bool(Deduplicator(store).claim(key)) for key in "abc"] == [False, True, False]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ThirdPartyEnd])
@pytest.mark.parametrize("max_workers", [1, 3])
def test_what_ends_the_process_names_its_message_first(
    error: type[BaseException], max_workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """At ERROR, with id and key: nobody else can say which message it was."""
    caplog.set_level(logging.ERROR, "cxone_idem")
    store = MemoryStore()
    with pytest.raises(error):
        Deduplicator(store).process_batch(batch_of("b"), raising(error), max_workers=max_workers)
    assert Deduplicator(store).claim("b")
    (line,) = caplog.records
    assert line.getMessage().startswith(
        f"cxone_idem: message 'm0', key 'b': process_event raised {error.__name__}"
    )
    fields = line.cxone_idem  # type: ignore[attr-defined]
    assert (fields["message_id"], fields["error"]) == ("m0", error.__name__)


def test_an_id_is_done_only_if_all_under_it_is() -> None:
    """Two messages with one id, as in copied fixtures, are one to Lambda."""
    event = batch(record("x", envelope("a")), record("x", envelope("b")))
    assert failed(Deduplicator(MemoryStore()).process_batch(event, raising(RuntimeError))) == ["x"]
    event["Records"].reverse()
    assert failed(Deduplicator(MemoryStore()).process_batch(event, raising(RuntimeError))) == ["x"]


REQUEST: ContextVar[str] = ContextVar("REQUEST", default="nobody's")


class SeesContext(MemoryStore):
    """Keeps who asked for each write, and in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[State, str, bool]] = []

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        here = threading.current_thread() is threading.main_thread()
        self.seen.append((record.state, REQUEST.get(), here))
        return super().put_if(record, expected_version)


@pytest.mark.parametrize("max_workers", [1, 4])
def test_threads_see_the_callers_context(max_workers: int) -> None:
    """Handlers, each with its own copy, and what writes their completions."""
    store = SeesContext()
    seen: list[str] = []

    def handler(event: Event) -> None:
        seen.append(REQUEST.get())
        if max_workers > 1:
            REQUEST.set(f"that of {event['id']}")

    token = REQUEST.set("the caller's")
    try:
        keys = [f"key-{number}" for number in range(8)]
        # The last message has no key, so that every completion is the committing thread's.
        event = batch(*batch_of(*keys)["Records"], record("bad", "no json"))
        Deduplicator(store).process_batch(event, handler, max_workers=max_workers)
        assert REQUEST.get() == "the caller's"
    finally:
        REQUEST.reset(token)
    assert seen == ["the caller's"] * 8
    completions = [(request, here) for state, request, here in store.seen if state is State.DONE]
    assert {request for request, here in completions if not here} == {"the caller's"}
