"""The one operation everything rests on: a whole-record conditional write."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cxone_idem.errors import IdemError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxone_idem.errors import StoreError
    from cxone_idem.record import Record


class Answer(NamedTuple):
    """What a store answered to a write."""

    written: bool
    seen: Record | None = None
    """The record that refused the write; None if written, or if no item stands there."""
    told: bool = True
    """False if the store refused the write without saying what stands there."""
    date_seconds: int | None = None
    """The store's own clock when it answered, cut to whole epoch seconds; None if it tells none."""


class Write(NamedTuple):
    """A record, and the version it expects to replace."""

    record: Record
    expected_version: str | None


class Budget(NamedTuple):
    """How long and how often a store may try."""

    seconds_left: Callable[[], float]
    """Returns the seconds until the store must have answered."""
    attempts: int
    """How often the store may send a write that fails for a passing reason."""


ATTEMPTS = 4
"""As many as the AWS SDK makes for DynamoDB in its standard mode."""

NO_DEADLINE = Budget(lambda: math.inf, ATTEMPTS)


class Store(Protocol):
    """Where records live. An implementation must make `put_if` one atomic step."""

    def put_if(self, record: Record, expected_version: str | None) -> Answer:
        """Write the whole of `record` if the item's version equals `expected_version`.

        `None` expects no item; `NO_VERSION` expects an item without a version. Raises `StoreError`
        if the store cannot say; its `outcome_unknown` tells whether the write may have happened.
        """


class BatchStore(Store, Protocol):
    """A store that takes several writes in one request, and keeps to a budget of time."""

    def put_many(
        self, writes: Sequence[Write], budget: Budget = NO_DEADLINE
    ) -> list[Answer | StoreError]:
        """Do what `put_if` does for each write, of different keys, and answer in their order.

        The outcome of one write says nothing of another's, and a failure is an answer too. No
        request begins, and no pause, for which the budget has no time.
        """


def transaction_item(store: Store, write: Write) -> Any:
    """Return `write` as an entry of the store's transactions, if it has any."""
    make = getattr(store, "transaction_item", None)
    if make is None:
        message = (
            f"{type(store).__name__} has no transactions; retrying does not help: use"
            " DynamoDBStore, or complete the claim after the work"
        )
        raise IdemError(message)
    return make(write)


class AcceptEverything:
    """A store that keeps nothing and refuses nothing: what `CXONE_IDEM_DISABLED` runs on."""

    def put_if(self, record: Record, expected_version: str | None) -> Answer:  # noqa: ARG002 -- by contract
        """Accept the write and forget it."""
        return Answer(written=True)
