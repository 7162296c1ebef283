"""A function of one event: its arguments, its name, and whether calling it does the work.

`@once`, batches and the async adapter check their functions here, so that all refuse the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import starmap
from typing import Any
from weakref import WeakSet

from cxone_idem.errors import require
from cxone_idem.text import kind_of, shortened

_AWAITED = "async"
# To call one of these does no work.
_WORK_TO_COME = (
    (inspect.isgeneratorfunction, "a generator"),
    (inspect.isasyncgenfunction, "an async generator"),
    (inspect.iscoroutinefunction, _AWAITED),
)
# What to do with a function that is async; an empty advice is that it will be awaited.
_ASYNC_BATCH = "pass a plain function, or use AsyncDeduplicator.process_batch"
_ASYNC_ONCE = "use AsyncDeduplicator.claim and `async with`"


class EventFunction:
    """A function whose first argument is an event, and whose second may be Lambda's context.

    Raises `TypeError` for what could not run once (retrying never helps).
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        wanted, fix = "@once takes a plain function of one event", "a key is @once(key='...')"
        require(not isinstance(function, str), wanted, function, fix)
        _refuse(wanted, function, _mistake_at_once(function))
        self.name = name_of(function)
        self._signature = inspect.signature(function)

    def read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Return the event of a call, and the Lambda context if the call has one."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        event, context, *_ = (*bound.args, None, None)
        is_context = callable(getattr(context, "get_remaining_time_in_millis", None))
        return event, context if is_context else None


# Functions that were checked: what a function is does not change from batch to batch.
_checked: WeakSet[Callable[[Any], object]] = WeakSet()


class EventHandler:
    """A `process_event` that was checked: calling it with an event does the work of the event.

    `decode`, checked before, makes the event of a message; without one, the body is the event.
    """

    def __init__(self, process_event: Callable[[Any], object], decode: Any = None) -> None:
        # Another callable may change, and may take no weak reference.
        if not inspect.isfunction(process_event):
            check_handler(process_event)
        elif process_event not in _checked:
            check_handler(process_event)
            _checked.add(process_event)
        self.decode = decode
        self.name = name_of(process_event)
        self._process_event = process_event

    def __call__(self, envelope: dict[str, Any]) -> None:
        """Do the work of an event; raise what `process_event` raises."""
        check_returned(self.name, self._process_event(envelope))


def check_handler(process_event: Any, *, awaited: bool = False) -> None:
    """Raise `TypeError` unless a call with an event, `awaited` or not, does the event's work."""
    mistake = handler_mistake(process_event, "" if awaited else _ASYNC_BATCH)
    _refuse("process_event must be a function of one event", process_event, mistake)


def checked_decode(decode: Any) -> Any:
    """Return a `decode`; raise `TypeError` unless a call with an SQS record does its work."""
    if decode is not None:
        mistake = handler_mistake(decode, "pass a plain function", "the record")
        _refuse("decode must be a function of one SQS record", decode, mistake)
    return decode


def handler_mistake(
    function: Any, if_async: str = _ASYNC_BATCH, argument: str = "the event"
) -> str:
    """Return why calling a function with one argument would not do its work, or nothing."""
    mistake = _mistake_of_kind(function, if_async)
    if mistake:
        return mistake
    try:
        # A decorator may take other arguments than what it wraps.
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # a builtin or a mock whose parameters are unknown
        return ""
    try:
        signature.bind({})
    except TypeError as error:
        return f"it cannot be called with {argument} alone ({error})"
    return ""


def check_returned(name: str, returned: object) -> None:
    """Raise `TypeError` if a function returned work that is still to be done; give that work up."""
    parts = returned if isinstance(returned, (list, tuple, set, frozenset)) else (returned,)
    pending = [part for part in parts if _is_pending(part)]
    for part in pending:
        give_up = getattr(
            part, "close" if isinstance(part, (Coroutine, Generator)) else "cancel", None
        )
        if callable(give_up):
            give_up()
    if pending:
        message = (
            f"{name} returned {kind_of(pending[0])}, whose work is still to be done;"
            " retrying does not help: do the work in the function itself and wait for it there, or"
            " use cxone_idem.aio.AsyncDeduplicator"
        )
        raise TypeError(message)


def name_of(function: Any) -> str:
    """Return the name of a function, wherever it is wrapped: two of one name count as one."""
    *_, inner = _layers(inspect.unwrap(function))
    named = inner if getattr(inner, "__qualname__", None) else type(inner)
    module = getattr(named, "__module__", None)
    return f"{module}.{named.__qualname__}" if module else str(named.__qualname__)


def _layers(function: Any) -> Iterator[Any]:
    """Yield what a call goes through: partials and bound methods, down to the function."""
    yield function
    if isinstance(function, partial):
        yield from _layers(function.func)
    elif inspect.ismethod(function):
        yield from _layers(function.__func__)


def _is_pending(returned: object) -> bool:
    return (
        inspect.isawaitable(returned)
        or inspect.isgenerator(returned)
        or inspect.isasyncgen(returned)
        # The last three call nothing before somebody iterates over them.
        or isinstance(returned, (Future, map, filter, starmap))
    )


def _refuse(wanted: str, function: Any, mistake: str) -> None:
    if mistake:
        *_, inner = _layers(function)
        name = shortened(str(getattr(inner, "__qualname__", None) or kind_of(inner)))
        message = f"{wanted}, but {name} is not one: {mistake}; retrying does not help"
        raise TypeError(message)


def _mistake_of_kind(function: Any, if_async: str) -> str:
    if not callable(function):
        return "it cannot be called: pass the function itself, without ()"
    *layers, inner = _layers(function)
    if inspect.isclass(inner) and any("__call__" in vars(base) for base in inner.__mro__):
        return "it is a class, and making an object does no work: pass the object, or its method"
    called = getattr(type(inner), "__call__", None)  # noqa: B004 -- what runs, not whether it can
    for layer in (*layers, inner, *_layers(called)):
        for is_kind, kind in _WORK_TO_COME:
            if is_kind(layer) and (if_async or kind != _AWAITED):
                consumes = "pass a function that consumes it"
                advice = (_AWAITED in kind and if_async) or consumes
                return f"it is {kind}, so calling it does no work: {advice}"
    return ""


def _mistake_at_once(function: Any) -> str:
    if isinstance(function, (staticmethod, classmethod)):
        return f"put it below @{type(function).__name__}"
    if inspect.isclass(function):
        return "it is a class"
    mistake = _mistake_of_kind(function, _ASYNC_ONCE)
    if mistake:
        return mistake
    try:
        signature = inspect.signature(function)
        signature.bind_partial({})
    except (TypeError, ValueError) as error:
        return f"its first parameter must be the event ({error}): wrap it in a function of one"
    if next(iter(signature.parameters)) in {"self", "cls"}:
        return "it is a method; decorate a function, or wrap the bound method: once(it.method)"
    return ""
