from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.verification.model.broken import MISTAKES, Mistake
from tests.verification.model.search import Search
from tests.verification.model.worlds import CONTROLS, LONG, SHORT, World

if TYPE_CHECKING:
    from collections.abc import Callable

# The large worlds take minutes.
_ALL = os.environ.get("CXONE_IDEM_TEST_MODEL") == "long"


@pytest.fixture
def report(
    capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> Callable[[Search], None]:
    """Print what was explored even if the test passes, and keep it in the JUnit report."""

    def print_found(found: Search) -> None:
        record_property("explored", str(found))
        with capsys.disabled():
            print(f"\n{found}")  # noqa: T201 -- it is to be read

    return print_found


@pytest.mark.parametrize("world", (*SHORT, *LONG) if _ALL else SHORT, ids=lambda world: world.name)
def test_no_interleaving_breaks_an_invariant(
    world: World, report: Callable[[Search], None]
) -> None:
    """In every state that the workers of a world can reach, all invariants hold."""
    found = Search(world).run()
    report(found)
    assert not found.broken, found.story


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.world.name)
def test_each_mistake_is_caught(mistake: Mistake, report: Callable[[Search], None]) -> None:
    """The check can fail: a broken variant breaks the invariant that it must break."""
    found = mistake.search()
    report(found)
    assert found.broken in mistake.caught_by, found


@pytest.mark.parametrize("world", CONTROLS, ids=lambda world: world.name)
def test_what_is_left_out_changes_nothing(world: World) -> None:
    """Merging equal program states and letting answers go first loses no state of the store."""
    short, long = Search(world).run(), Search(world._replace(reduced=False)).run()
    assert len(long) > len(short)
    assert long.stores == short.stores
