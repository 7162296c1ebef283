"""What goes from one process to another, and what says why it does not."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import cxone_idem
from cxone_idem import (
    AlreadyDone,
    AttemptsExhaustedError,
    ClaimLostError,
    ConfigError,
    Deduplicator,
    FingerprintMismatchError,
    IdemError,
    InProgressError,
    KeyMissingError,
    MemoryStore,
    Origin,
    ResultMissingError,
    StoreError,
)
from cxone_idem.aio.deduplicator import AsyncClaimed, AsyncDeduplicator
from cxone_idem.errors import QueueError
from cxone_idem.record import Record, State
from tests.support.awaited import awaited

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = Origin("event", "message", 2, 3, "replay", "request")
RECORD = Record("ns#k", State.DONE, "v", 2, 5, 6, 7, 8, ORIGIN, "fingerprint", '{"a":1}')

ERRORS = [
    IdemError("it went wrong"),
    ConfigError(("a", "b")),
    KeyMissingError("the key is blank"),
    InProgressError("k", 1.5, RECORD, ORIGIN),
    InProgressError("k", 1.5, RECORD, ORIGIN, held_here=True),
    FingerprintMismatchError("k", RECORD, ORIGIN),
    AttemptsExhaustedError("k", 2, RECORD),
    ClaimLostError("k", "it is gone"),
    ResultMissingError("k"),
    StoreError("p", "t", "PutItem", "Code", "id", outcome_unknown=True, retryable=False),
    QueueError("p", "queue", "DeleteMessage", "Code"),
]


def through_a_process(thing: Any) -> Any:
    """Return what comes back from another process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_same, (thing,))


def _same(thing: Any) -> Any:
    return thing


COPIES: list[Any] = [
    pytest.param(copy.copy, id="copy"),
    pytest.param(copy.deepcopy, id="deepcopy"),
    *(
        pytest.param(lambda thing, p=p: pickle.loads(pickle.dumps(thing, p)), id=f"pickle-{p}")  # noqa: S301 -- its own
        for p in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
]


@pytest.mark.parametrize("duplicate", COPIES)
def test_every_error_keeps_all_it_says(duplicate: Callable[[Any], Any]) -> None:
    """Text and attributes are the same on the other side."""
    for error in ERRORS:
        same = duplicate(error)
        assert type(same) is type(error)
        assert str(same) == str(error)
        assert vars(same) == vars(error)


def test_no_error_is_forgotten_here() -> None:
    """Every class of error is in the list above."""
    named = {
        thing
        for module in (cxone_idem, cxone_idem.errors)
        for thing in vars(module).values()
        if inspect.isclass(thing) and issubclass(thing, IdemError)
    }
    assert {type(error) for error in ERRORS} == named


def test_one_thing_is_not_many() -> None:
    """Each text agrees with its number."""
    said = [str(ConfigError(("a",))), str(ConfigError(("a", "b")))]
    assert [one.partition("help: ")[2] for one in said] == ["correct it", "correct all of them"]
    once, twice = (replace(RECORD, generation=number) for number in (1, 2))
    assert "was tried 1 time and never" in str(AttemptsExhaustedError("k", 1, once))
    assert "was tried 2 times and never" in str(AttemptsExhaustedError("k", 2, twice))


@pytest.mark.parametrize("duplicate", COPIES)
def test_already_done_keeps_all_it_knows(duplicate: Callable[[Any], Any]) -> None:
    """Its record, its cause and its result."""
    done = AlreadyDone("k", RECORD, ORIGIN)
    same = duplicate(done)
    assert isinstance(same, AlreadyDone)
    assert not same
    assert (same.key, same.record, same.origin) == ("k", RECORD, ORIGIN)
    assert (same.cause, same.result) == (done.cause, {"a": 1})


def test_both_go_to_another_process() -> None:
    """As `multiprocessing` sends them."""
    error, done = through_a_process((ERRORS[3], AlreadyDone("k", RECORD, ORIGIN)))
    assert str(error) == str(ERRORS[3])
    assert done.result == {"a": 1}


@pytest.mark.parametrize("duplicate", COPIES)
def test_a_claim_says_why_it_stays(duplicate: Callable[[Any], Any]) -> None:
    """Two processes with one claim would each think it theirs. It goes on as it was."""
    claim = Deduplicator(MemoryStore()).claim("k")
    with pytest.raises(TypeError, match="held by one process"):
        duplicate(claim)
    assert claim
    claim.complete()


def test_an_async_claim_says_why_it_stays() -> None:
    """For the same reason."""
    claim = awaited(AsyncDeduplicator(Deduplicator(MemoryStore())).claim, "k")
    assert isinstance(claim, AsyncClaimed)
    with pytest.raises(TypeError, match="held by one process"):
        pickle.dumps(claim)
