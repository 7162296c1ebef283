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

from cxone_idem.text import kind_of, shortened

_POSITIONAL = frozenset(
    {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }
)
# They call nothing before somebody iterates over them.
_LAZY = (map, filter, starmap)

ASYNC_IN_A_BATCH = (
    "it is async, so calling it does no work: pass a plain function, or use"
    " cxone_idem.aio.AsyncDeduplicator, whose process_batch awaits it"
)
_ASYNC_AT_ONCE = "it is async, so calling it does no work; claim and complete by cxone_idem.aio"


class EventFunction:
    """A function whose first argument is an event, and whose second may be Lambda's context.

    Raises `TypeError` for what could not run once (retrying never helps).
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        mistake = _mistake_at_once(function)
        if mistake:
            message = f"@once cannot decorate {_short_name(function)}: {mistake}"
            raise TypeError(message)
        self.name = name_of(function)
        self._signature = inspect.signature(function)

    def read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Return the event of a call, and the Lambda context if the call has one."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        event, context, *_ = (*bound.args, None, None)
        is_context = callable(getattr(context, "get_remaining_time_in_millis", None))
        return event, context if is_context else None


class EventHandler:
    """A `process_event` that was checked: calling it with an event does the work of the event.

    Raises `TypeError` for what could not do that (retrying never helps).
    """

    def __init__(self, process_event: Callable[[Any], object]) -> None:
        check_handler(process_event)
        self.name = name_of(process_event)
        self._process_event = process_event

    def __call__(self, envelope: dict[str, Any]) -> None:
        """Do the work of an event; raise what `process_event` raises."""
        check_returned(self.name, self._process_event(envelope))


def check_handler(process_event: Any, *, awaited: bool = False) -> None:
    """Raise `TypeError` unless calling `process_event` with an event does its work.

    Or, if it is `awaited`, calling it and awaiting what it returns.
    """
    mistake = handler_mistake(process_event, awaited=awaited)
    if mistake:
        message = (
            f"process_event must be a function of the event, and {_short_name(process_event)} is"
            f" none: {mistake}; retrying does not help"
        )
        raise TypeError(message)


def handler_mistake(process_event: Any, *, awaited: bool = False) -> str:
    """Say why calling `process_event` with an event would not do its work, or nothing."""
    if not callable(process_event):
        return "it cannot be called"
    mistake = _mistake_of_kind(process_event, "" if awaited else ASYNC_IN_A_BATCH)
    if mistake:
        return mistake
    try:
        # A decorator may take other arguments than what it wraps.
        signature = inspect.signature(process_event, follow_wrapped=False)
    except (TypeError, ValueError):  # a builtin that does not tell its parameters
        return ""
    try:
        signature.bind({})
    except TypeError as error:
        return f"it cannot be called with the event alone ({error})"
    return ""


def check_returned(name: str, returned: object) -> None:
    """Raise `TypeError` if a function returned work that is still to be done; give that work up."""
    parts = returned if isinstance(returned, (list, tuple, set, frozenset)) else (returned,)
    pending = [part for part in parts if _is_pending(part)]
    if not pending:
        return
    for part in pending:
        _give_up(part)
    kind = type(pending[0]).__name__
    message = (
        f"{name} returned a {kind}, whose work is still to be done; retrying does not help: do the"
        " work in the function itself and wait for it there, or await it in an async function under"
        " cxone_idem.aio"
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
    while True:
        yield function
        if isinstance(function, partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        else:
            return


def _is_pending(returned: object) -> bool:
    return (
        inspect.isawaitable(returned)
        or inspect.isgenerator(returned)
        or inspect.isasyncgen(returned)
        or isinstance(returned, (Future, *_LAZY))
    )


def _give_up(pending: Any) -> None:
    if isinstance(pending, (Coroutine, Generator)):
        pending.close()
    elif callable(getattr(pending, "cancel", None)):
        pending.cancel()


def _mistake_at_once(function: Any) -> str:
    """Say why a function could not run once, or nothing."""
    if isinstance(function, (staticmethod, classmethod)):
        return f"put it below @{type(function).__name__}"
    if inspect.isclass(function) or not callable(function):
        return "it is no function of an event (a key is passed as key=...)"
    return _mistake_of_kind(function, _ASYNC_AT_ONCE) or _mistake_of_parameters(function)


def _mistake_of_kind(function: Any, if_async: str) -> str:
    """Say why calling a function would do no work, or nothing."""
    *layers, inner = _layers(function)
    if inspect.isclass(inner) and any("__call__" in vars(base) for base in inner.__mro__):
        return "it is a class, and making an object does no work: pass the object, or its method"
    called = getattr(type(inner), "__call__", None)  # noqa: B004 -- what runs, not whether it can
    for layer in (*layers, inner, *_layers(called)):
        if inspect.isgeneratorfunction(layer):
            return "it is a generator, so calling it does no work: pass a function that consumes it"
        if inspect.isasyncgenfunction(layer):
            return (
                "it is an async generator, so calling it does no work: pass an async function that"
                " consumes it, under cxone_idem.aio"
            )
        if if_async and inspect.iscoroutinefunction(layer):
            return if_async
    return ""


def _mistake_of_parameters(function: Callable[..., Any]) -> str:
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return "its parameters cannot be told; wrap it in a function of the event"
    if not parameters or parameters[0].kind not in _POSITIONAL:
        return "it has no positional parameter, which would be the event"
    if parameters[0].name in {"self", "cls"}:
        return "it is a method; decorate a function, or wrap the bound method: once(it.method)"
    return ""


def _short_name(function: Any) -> str:
    *_, inner = _layers(function)
    return shortened(str(getattr(inner, "__qualname__", None) or kind_of(inner)))
