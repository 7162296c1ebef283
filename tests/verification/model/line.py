"""The batch path's other side: several writes in one request, and a committer without its thread.

The committer's own code runs, all but the moments: where it would wake its thread, the world says
whether the line is free (what waits is sent before the next handler starts) or busy (it is left to
a later group, at the latest to `close`). A group on its way while a handler runs is the same to the
store as one before or after it: they are about different keys.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from cxone_idem.claims.invocation import Invocation
from cxone_idem.sqs import committer, run
from tests.verification.model.consumer import Work
from tests.verification.model.process import Port, Request, Stop, Verb
from tests.verification.model.program_state import Opaque

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cxone_idem.claims.manager import ClaimManager
    from cxone_idem.errors import StoreError
    from cxone_idem.protocol.store import ConditionalPut, PutResult


class ManyPort(Port):
    """A store that takes several writes in one request, and carries out each by itself."""

    def put_many(
        self, writes: Sequence[ConditionalPut], *_: object
    ) -> list[PutResult | StoreError]:
        """Ask for all of the writes at once."""
        return self.ask_all(tuple(Request(Verb.PUT_IF, *write) for write in writes))


class _Line:
    """Instead of the committer's condition: to notify it is to ask the world."""

    def __init__(self, owner: OwnedCommitter) -> None:
        self._owner = owner

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def notify(self) -> None:
        """Have the thread go on, if the world says that it gets its turn by now."""
        self._owner.ask()

    def wait_for(self, *_: object) -> None:
        """Linger no time: the world has said when the group is sent."""


class _Turn(Opaque):
    """Instead of the committer's thread: it does its work when it is waited for."""

    def __init__(self, *, target: Callable[..., None], args: tuple[Any, ...], **_: Any) -> None:
        self.join = partial(target, *args)

    def start(self) -> None:
        """Wait for the world's word."""


class OwnedCommitter(committer.GroupCommitter):
    """The library's committer, whose moments are the world's."""

    def __init__(self, claims: ClaimManager, invocation: Invocation) -> None:
        super().__init__(claims, invocation)
        self._tape = claims._session._store.tape  # type: ignore[attr-defined]  # noqa: SLF001 -- a Port
        self._changed = _Line(self)  # type: ignore[assignment]

    def ask(self) -> None:
        """Let the world say whether the waiting group is sent now."""
        if self._waiting and not self._closed and self._tape.wait(Stop.LINE) is Work.COMMITS:
            self._commit(self._next_group())


@contextmanager
def owned_line() -> Iterator[None]:
    """Put every committer's thread into the world's hands."""
    with (
        patch.object(run, "GroupCommitter", OwnedCommitter),
        patch.object(committer, "Thread", _Turn),
    ):
        yield
