"""Frees what the traceback of an error keeps alive.

An error holds the frames it went through and those that called them. They hold what the code in
them worked on: the event, a handler's own data, and in the end the error itself. Nobody is to wait
for the garbage collector to find that circle.
"""

from __future__ import annotations

import inspect
from types import FrameType

# Clearing the frame of a generator or coroutine that is merely suspended would end it.
_MAY_BE_SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def let_go(error: BaseException | None) -> None:
    """Forget what the frames behind `error` and its causes hold. Its traceback still prints.

    Frames that still run keep what they have, so those must not have the error.
    """
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        left += [one.__cause__, one.__context__]
        traceback = one.__traceback__
        while traceback is not None:
            _clear(traceback.tb_frame, seen)
            traceback = traceback.tb_next


def _clear(frame: FrameType | None, seen: set[int]) -> None:
    while frame is not None and id(frame) not in seen:
        seen.add(id(frame))
        if not frame.f_code.co_flags & _MAY_BE_SUSPENDED:
            try:
                frame.clear()
            except RuntimeError:  # it still runs, and so do its callers
                return
        frame = frame.f_back
