"""What the traceback of an error keeps alive, and letting it go.

An error holds the frames it went through, and they hold what the code in them worked on: the
event, a handler's own data, and in the end the error itself. Nobody is to wait for the garbage
collector to find that circle.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

# Clearing the frame of a generator or coroutine that is merely suspended would end it.
_MAY_BE_SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def let_go(error: BaseException | None) -> None:
    """Forget what the frames behind `error` and its causes hold. Its traceback still prints."""
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            _clear(one.__traceback__)
            left += [one.__cause__, one.__context__]


def _clear(traceback: TracebackType | None) -> None:
    while traceback is not None:
        frame = traceback.tb_frame
        if not frame.f_code.co_flags & _MAY_BE_SUSPENDED:
            with suppress(RuntimeError):  # it is still running
                frame.clear()
        traceback = traceback.tb_next
