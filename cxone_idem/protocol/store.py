"""The contract of a store: one operation, a conditional write of a whole record."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from cxone_idem.errors import IdemError, StoreError, require
from cxone_idem.record import Record


class PutResult(NamedTuple):
    """A store's answer to a conditional write."""

    written: bool
    """True if the record was written; False if what is stored refused it."""
    existing: Record | None = None
    """The record that refused the write; None if it was written, or if there is no item."""
    date_seconds: int | None = None
    """The store's own clock when it answered, cut to whole epoch seconds; None if unknown."""


class ConditionalPut(NamedTuple):
    """A record to write, and the version that it must replace."""

    record: Record
    """The record to write."""
    expected_version: str | None
    """The version that the item must have; see `Store.put_if`."""


class Budget(NamedTuple):
    """Limits of a store's attempts: time and number."""

    seconds_left: Callable[[], float]
    """Returns the seconds until the store must have answered."""
    attempts: int
    """The number of times that a write which fails for a passing reason is sent."""


ATTEMPTS = 4
"""As many as the AWS SDK makes for DynamoDB in its standard mode."""

NO_DEADLINE = Budget(lambda: math.inf, ATTEMPTS)


class Store(Protocol):
    """The place where records are kept. An implementation makes `put_if` one atomic step.

    One that can take several writes in a request also has `put_many(puts, budget)`: it does what
    `put_if` does for each, of different keys, and returns results in their order. A `StoreError` is
    a result too. No request and no pause begins for which the budget has no time.
    """

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:
        """Write the whole of `record` if the item's version equals `expected_version`.

        `None` expects no item; `NO_VERSION` expects an item without a version. A refusal returns
        the record that is stored. Raises `StoreError` if the result is not known; its
        `outcome_unknown` says whether the write may have happened.
        """


def checked_store(store: Any) -> Store:
    """Return a store; raise `TypeError` if it is none (retrying never helps)."""
    is_store = callable(getattr(store, "put_if", None)) and not isinstance(store, type)
    fix = "for a table name use DynamoDBStore(name), or DynamoDBStore(name, client)"
    require(is_store, "store must be an object with put_if", store, fix)
    checked: Store = store
    return checked


PutMany = Callable[[Sequence[ConditionalPut], Budget], list[PutResult | StoreError]]


def transaction_item(store: Store, put: ConditionalPut) -> Any:
    """Return `put` as an entry of the store's transactions; raise `IdemError` if it has none."""
    make = getattr(store, "transaction_item", None)
    if make is None:
        message = (
            f"{type(store).__name__} has no transactions; retrying does not help: use"
            " DynamoDBStore, or complete the claim after the work"
        )
        raise IdemError(message)
    return make(put)
