"""The one loop that writes: any number of transitions against a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cxone_idem.errors import PROGRAMMING_ERRORS, StoreError
from cxone_idem.protocol.clock import Clock
from cxone_idem.protocol.store import (
    Budget,
    ConditionalPut,
    PutMany,
    PutResult,
    Store,
    transaction_item,
)
from cxone_idem.protocol.transition import Reply, Transition
from cxone_idem.text import counted


class Session:
    """Drives transitions of different keys, in as few requests as the store can."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._put_many: PutMany | None = getattr(store, "put_many", None)
        self._clock = clock

    def run(self, transitions: Sequence[Transition], budget: Budget) -> None:
        """Write until every transition is done. A failure is the end of its transition alone."""
        while pending := [one for one in transitions if not one.done]:
            puts = [one.next_write() for one in pending]
            for transition, reply in zip(pending, self._replies(puts, budget), strict=True):
                transition.on_reply(reply)

    def transaction_item(self, put: ConditionalPut) -> Any:
        """Return a write as an entry of the store's transactions; it is not sent."""
        return transaction_item(self._store, put)

    def _replies(self, puts: list[ConditionalPut], budget: Budget) -> list[Reply]:
        put_many = self._put_many
        if put_many is not None:
            return self._send(lambda: put_many(puts, budget), len(puts))
        return [
            reply
            for put in puts
            for reply in self._send(lambda put=put: [self._store.put_if(*put)], 1)  # type: ignore[misc]
        ]

    def _send(self, send: Callable[[], list[Any]], count: int) -> list[Reply]:
        sent_ms = self._clock.local_ms()
        try:
            results = _checked(send(), count)
        except StoreError as error:
            results = [error] * count
        except Exception as error:  # noqa: BLE001 -- whatever a store raises, the write may have landed
            results = [unexpected_error(error, "put_if") for _ in range(count)]
        return [
            Reply(result, self._clock.observe(sent_ms, getattr(result, "date_seconds", None)))
            for result in results
        ]


def unexpected_error(cause: BaseException, operation: str) -> StoreError:
    """Return the failure of a write that ended in an error which is none of the store's."""
    mistake = isinstance(cause, PROGRAMMING_ERRORS)
    helps = "does not help" if mistake else "may help"
    problem = (
        f"the store raised {type(cause).__name__}, which is none of its errors ({cause}); retrying"
        f" {helps}: look at what wraps the store or the AWS SDK"
    )
    error = StoreError(problem, "", operation, outcome_unknown=True, retryable=not mistake)
    error.__cause__ = cause
    return error


def _checked(results: list[Any], count: int) -> list[PutResult | StoreError]:
    """Return a store's results; raise unless there is one for each write."""
    odd = [one for one in results if not isinstance(one, (PutResult, StoreError))]
    if odd or len(results) != count:
        answers = counted(len(results) - len(odd), "usable answer")
        message = f"the store gave {answers} to {counted(count, 'write')}"
        raise ValueError(message)
    return results
