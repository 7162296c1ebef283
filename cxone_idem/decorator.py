"""`@once`: a function of one event that runs once per key, on the same claims as all the rest."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar, overload

from cxone_idem.claims.already_done import AlreadyDone
from cxone_idem.claims.claim import Claimed, current_claim, release_after_failure, under
from cxone_idem.claims.invocation import Invocation, LambdaContext
from cxone_idem.claims.result import NO_RESULT
from cxone_idem.deduplicator import Deduplicator, default_deduplicator
from cxone_idem.errors import (
    ClaimLostError,
    ConfigError,
    IdemError,
    InProgressError,
    StoreError,
    require,
)
from cxone_idem.events.expression import expression_mistake
from cxone_idem.events.fingerprint import find_fingerprint
from cxone_idem.events.handler import EventFunction, check_returned
from cxone_idem.events.key import checked_key, find_key
from cxone_idem.protocol.claim_attempt import ClaimRequest
from cxone_idem.record import Origin
from cxone_idem.sqs.logs import log_duplicate
from cxone_idem.text import origin_text, quoted

P = ParamSpec("P")
R = TypeVar("R")
Key = str | Callable[[Any], str]

logger = logging.getLogger("cxone_idem")


@overload
def once(function: Callable[P, R], /) -> Callable[P, R | None]: ...


@overload
def once(
    *,
    key: Key | None = None,
    store_result: Literal[False] = False,
    deduplicator: Deduplicator | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R | None]]: ...


@overload
def once(
    *, key: Key | None = None, store_result: Literal[True], deduplicator: Deduplicator | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def once(
    function: Callable[..., Any] | None = None,
    /,
    *,
    key: Key | None = None,
    store_result: bool = False,
    deduplicator: Deduplicator | None = None,
) -> Any:
    """Have a function of one event run once per key, however often the event comes.

    The first argument is the event; a second that is Lambda's context makes leases end with the
    invocation. The key is what `CXONE_IDEM_KEY` finds in the event, or `key`: another JMESPath, or
    a function of the event. Two functions of the same events need keys of their own, such as
    `key="['notify', id]"`. `deduplicator` is by default the process's own, made from the
    environment at the first call.

    A duplicate does not run and returns None; with `store_result` it returns what the first run
    returned, as JSON gives it back, or raises `ResultMissingError` if that could not be stored.
    While another worker has the key, `InProgressError` is raised. What the function raises is
    raised, and the key is given up. Once it has returned nothing is raised any more: if the store
    does not take the completion, that is logged as an error, as in a batch.

    Raises `TypeError` or `ConfigError` at decoration for what cannot work (retrying never helps).
    """
    find = _finder(key)
    fix = "pass what Deduplicator.from_environ() returns, or nothing"
    is_right = deduplicator is None or isinstance(deduplicator, Deduplicator)
    require(is_right, "deduplicator must be a Deduplicator", deduplicator, fix)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        runner = _Runner(EventFunction(function), function, find, store_result, deduplicator)

        @functools.wraps(function)
        def run_once(*args: Any, **kwargs: Any) -> Any:
            return runner.run(args, kwargs)

        return run_once

    return decorate if function is None else decorate(function)


def _finder(key: Key | None) -> Callable[[Any, Deduplicator], str]:
    if inspect.iscoroutinefunction(key):
        message = "key is an async function; pass a plain one, or a JMESPath expression"
        raise TypeError(message)
    if callable(key):
        name = "what the function given as key= returned for this event"
        return lambda event, _: checked_key(key(event), name)
    is_right = key is None or isinstance(key, str)
    fix = "write key='detail.id', or pass a function of the event"
    require(is_right, "key must be a JMESPath text or a function", key, fix)
    mistake = key is not None and expression_mistake(key, is_key=True)
    if mistake:
        raise ConfigError((f"key={key!r} {mistake}",))
    return lambda event, deduplicator: find_key(event, key or deduplicator.config.key)


@dataclass(frozen=True, slots=True)
class _Runner:
    """One decorated function."""

    checked: EventFunction
    function: Callable[..., Any]
    find: Callable[[Any, Deduplicator], str]
    store_result: bool
    deduplicator: Deduplicator | None

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        event, context = self.checked.read(args, kwargs)
        deduplicator = self.deduplicator or default_deduplicator()
        if deduplicator.config.disabled:
            with under(None):
                return self.function(*args, **kwargs)
        key = self.find(event, deduplicator)
        fingerprint = find_fingerprint(event, deduplicator.config.fingerprint)
        request = ClaimRequest(key, _origin(event, context), fingerprint)
        claim = _claim(deduplicator, request, context)
        if not claim:
            deduplicator.claims.key_owners.check(key, self.checked.name)
            log_duplicate(self.checked.name, claim)
            return claim.result if self.store_result else None
        try:
            with under(claim):
                returned = self.function(*args, **kwargs)
            check_returned(self.checked.name, returned)
        except BaseException:
            release_after_failure(claim)
            raise
        deduplicator.claims.key_owners.note(key, self.checked.name)
        self._complete(deduplicator, claim, returned)
        return returned

    def _complete(self, deduplicator: Deduplicator, claim: Claimed, returned: object) -> None:
        """Record that the work is done; raising now would have it done again."""
        name = self.checked.name
        try:
            claim.complete(result=returned if self.store_result else NO_RESULT)
        except ClaimLostError as error:
            logger.error("%s ran, perhaps a second time: %s", name, error)
        except StoreError as error:
            logger.error("%s ran, but that is not recorded yet: %s", name, error)
        except Exception:
            deduplicator.claims.add_pending(claim.held)
            logger.exception("%s ran, but that is not recorded yet", name)


def _claim(
    deduplicator: Deduplicator, request: ClaimRequest, context: LambdaContext | None
) -> Claimed | AlreadyDone:
    try:
        outcome = deduplicator.claims.claim(request, Invocation(context))
        return (
            outcome if isinstance(outcome, AlreadyDone) else Claimed(outcome, deduplicator.claims)
        )
    except InProgressError as error:
        if not _is_the_callers(error):
            raise
    message = (
        f"key {quoted(request.key)} is held by the caller of this @once function: process_batch, or"
        " another @once function, claimed it; retrying does not help: remove one of them, or"
        " give this one a key of its own, such as key=\"['notify', id]\""
    )
    raise IdemError(message)


def _is_the_callers(error: InProgressError) -> bool:
    try:
        outer = current_claim()
    except IdemError:
        return False
    return outer is not None and outer.record.version == error.record.version


def _origin(event: Any, context: LambdaContext | None) -> Origin:
    """Return whose delivery this is. It decides nothing, so what is odd is left out."""
    fields = event if isinstance(event, dict) else {}
    return Origin(
        event_id=origin_text(fields.get("id")),
        replay_name=origin_text(fields.get("replay-name")),
        request_id=origin_text(getattr(context, "aws_request_id", None)),
    )
