"""A function of one event: which argument is the event, and what can be no such function."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from cxone_idem.errors import kind_of, shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.invocation import LambdaContext

_POSITIONAL = frozenset(
    {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }
)


class EventFunction:
    """A function whose first argument is an event, and whose second may be Lambda's context.

    Raises `TypeError` for what could not run once (retrying never helps).
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        mistake = _mistake(function)
        if mistake:
            message = f"@once cannot decorate {_name(function)}: {mistake}"
            raise TypeError(message)
        self.name = f"{getattr(function, '__module__', '')}.{_name(function)}"
        self._signature = inspect.signature(function)

    def read(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, LambdaContext | None]:
        """Return the event of a call, and the Lambda context if the call has one."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        event, context, *_ = (*bound.args, None, None)
        is_context = callable(getattr(context, "get_remaining_time_in_millis", None))
        return event, context if is_context else None


def check_returned(name: str, returned: object) -> None:
    """Raise `TypeError` if a function returned work that is still to be done."""
    if inspect.isawaitable(returned) or inspect.isgenerator(returned):
        close = getattr(returned, "close", None)
        if close is not None:
            close()
        message = (
            f"{name} returned {kind_of(returned)}, whose work has not begun; retrying does"
            " not help: do the work in the function itself"
        )
        raise TypeError(message)


def _mistake(function: Any) -> str:
    """Say why a function could not run once, or nothing."""
    if isinstance(function, (staticmethod, classmethod)):
        return f"put it below @{type(function).__name__}"
    if inspect.isclass(function) or not callable(function):
        return "it is no function of an event (a key is passed as key=...)"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "it is async, so calling it does no work; claim and complete by cxone_idem.aio"
    if inspect.isgeneratorfunction(function):
        return "it is a generator, so calling it does no work; decorate what consumes it"
    return _mistake_of_parameters(function)


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


def _name(function: object) -> str:
    return shortened(str(getattr(function, "__qualname__", None) or kind_of(function)))
