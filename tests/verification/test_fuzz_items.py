"""Items of foreign shape: none is overwritten, and none drops an event that nobody has done."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cxone_idem import AlreadyDone, Deduplicator, IdemError
from cxone_idem.record import Origin, Record, State
from cxone_idem.stores.dynamodb_item import ForeignItemError, Layout
from tests.support.events import batch, batch_of, envelope, failed, record
from tests.verification import bad_input

KEYS = itertools.count()
AT_WORK = {"INPROGRESS", "IN_PROGRESS"}
FUTURE_MS = 4_000_000_000_000

fuzz = settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
fuzz_engines = settings(
    fuzz,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

storable = st.text(max_size=5)
number_texts = st.sampled_from(["0", "1", "-1", "1.5", "1E+20", "9" * 38, str(FUTURE_MS)])
texts = st.builds(lambda text: {"S": text}, storable)
typed = st.one_of(
    texts,
    st.builds(lambda number: {"N": number}, number_texts),
    st.sampled_from([{"BOOL": True}, {"NULL": True}, {"L": [{"S": "x"}]}, {"B": b"x"}]),
    st.builds(lambda member: {"M": {"event_id": member, "receive_count": member}}, texts),
)
numbers = st.builds(lambda number: {"N": number}, number_texts)
foreign_items = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from([{"S": state.value} for state in State]) | typed,
        "version": texts | typed,
        "generation": numbers | typed,
        "lease_until_ms": numbers | typed,
        "expires_at": numbers | typed,
        "origin": typed,
        "result": typed,
        "status": st.sampled_from([{"S": s} for s in ("INPROGRESS", "COMPLETED")]) | typed,
        "expiration": numbers,
        "in_progress_expiration": numbers,
        "data": typed,
    },
)
epochs = st.integers(0, 10**38 - 1)
some_text = st.none() | bad_input.text
records = st.builds(
    Record,
    partition_key=st.text(min_size=1),
    state=st.sampled_from(State),
    version=st.text(min_size=1),
    generation=epochs,
    lease_until_ms=epochs,
    expires_at=st.none() | epochs,
    claimed_at_ms=st.none() | epochs,
    done_at_ms=st.none() | epochs,
    origin=st.builds(
        Origin, some_text, some_text, st.none() | epochs, st.none() | epochs, some_text, some_text
    ),
    result=st.none() | st.text(),
)
POWERTOOLS: dict[str, Any] = {
    "status": {"S": "INPROGRESS"},
    "expiration": {"N": "4000000000"},
    "in_progress_expiration": {"N": str(FUTURE_MS)},
}


@fuzz
@given(records, st.builds(Layout, st.just("pk"), st.sampled_from(["ttl", "expires_at"])))
def test_a_record_comes_back_from_its_item(record: Record, layout: Layout) -> None:
    """Nothing is lost or rounded on the way into an item and out of it."""
    assert layout.to_record(layout.to_item(record)) == record


@fuzz
@given(
    st.dictionaries(
        st.sampled_from(["id", "state", "version", "generation", "expires_at", "origin", "status"]),
        typed | bad_input.anything | st.dictionaries(st.sampled_from("SNM"), bad_input.anything),
    )
)
@example({"id": {"S": "k"}, "expires_at": {"N": "NaN"}, "status": {"S": ["INPROGRESS"]}})
@example({"id": {"S": "k"}, "expires_at": {"N": "Infinity"}})
@example({"id": {"S": "k"}, "expires_at": {"N": "1E+9999"}})
def test_any_item_is_a_record_or_foreign(item: dict[str, Any]) -> None:
    """Whatever is stored there, reading it raises nothing but `ForeignItemError`."""
    try:
        record = Layout().to_record(item)
    except ForeignItemError:
        return
    assert not record.version or Layout().to_record(Layout().to_item(record)) == record


@fuzz_engines
@given(foreign_items)
@example(POWERTOOLS)
@example({**POWERTOOLS, "status": {"S": "COMPLETED"}, "data": {"S": "result"}})
@example({"state": {"S": "DONE"}, "version": {"S": "v"}, "generation": {"N": "9" * 38}})
def test_a_foreign_item_never_drops_an_event_or_lets_it_run_unclaimed(
    items: Any, foreign: dict[str, Any]
) -> None:
    """Run and recorded, or failed with the item as it was, or done because the item says so."""
    key = f"key-{next(KEYS)}"
    item = {"id": {"S": key}, **foreign}
    items.put_raw(item)
    stored = items.item(key)
    ran: list[Any] = []
    event = batch(record("m0", envelope(key)), record("good", envelope(f"{key}-neighbour")))
    ids = failed(Deduplicator(items.store()).process_batch(event, ran.append))
    assert envelope(f"{key}-neighbour") in ran
    assert "good" not in ids
    if envelope(key) in ran:
        assert ids == []
        assert isinstance(Deduplicator(items.store()).claim(key), AlreadyDone)
        return
    assert items.item(key) == stored
    state, status = foreign.get("state", {"S": "DONE"}), foreign.get("status", {})
    done = state == {"S": "DONE"} and ("state" in foreign or status.get("S") not in AT_WORK)
    assert ids == ["m0"] or done


@pytest.mark.parametrize("status", ["IN_PROGRESS", "in_progress"])
def test_another_librarys_work_in_progress_is_no_marker(items: Any, status: str) -> None:
    """Taken for done, the event would be dropped though its worker may have died."""
    item = {"id": {"S": "k"}, **POWERTOOLS, "status": {"S": status}}
    items.put_raw(item)
    with pytest.raises(IdemError, match="another library is or was at work"):
        Deduplicator(items.store()).claim("k")
    event = batch_of("k", "other")
    assert failed(Deduplicator(items.store()).process_batch(event, lambda _: None)) == ["m0"]
    assert items.item("k") == item


@pytest.mark.parametrize("status", [{"S": "COMPLETED"}, {"S": "processed"}, {"N": "1"}])
def test_a_marker_may_have_a_status(items: Any, status: dict[str, Any]) -> None:
    """Any other `status` leaves an item without `state` what it is: the marker of work done."""
    items.put_raw({"id": {"S": "k"}, "status": status})
    assert not Deduplicator(items.store()).claim("k")
