from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.verification.model.broken import MISTAKES, Mistake
from tests.verification.model.broken_pairs import PAIR_MISTAKES
from tests.verification.model.broken_transactions import TRANSACTION_MISTAKES
from tests.verification.model.consumer import by_the_batch, by_the_verbs
from tests.verification.model.line import ManyPort
from tests.verification.model.process import Port, Program
from tests.verification.model.search import Search
from tests.verification.model.transactions import (
    by_the_batch_in_transactions,
    by_the_verbs_in_transactions,
)
from tests.verification.model.world import Budget, World
from tests.verification.model.worlds import (
    BATCHES,
    LONG,
    PAIRS,
    PAIRS_LONG,
    SHORT,
    TRANSACTION_BATCHES,
    TRANSACTIONS,
    TRANSACTIONS_LONG,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.verification.model.search import Found

# The large worlds take minutes.
_ALL = os.environ.get("CXONE_IDEM_TEST_MODEL") == "long"
_WORLDS = (*SHORT, *LONG) if _ALL else SHORT
_PAIRS = (*PAIRS, *PAIRS_LONG) if _ALL else PAIRS
_TRANSACTIONS = (*TRANSACTIONS, *TRANSACTIONS_LONG) if _ALL else TRANSACTIONS


@pytest.fixture
def report(
    capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> Callable[[Found], None]:
    """Print what was explored even if the test passes, and keep it in the JUnit report."""

    def print_found(found: Found) -> None:
        record_property("explored", str(found))
        with capsys.disabled():
            print(f"\n{found}")  # noqa: T201 -- it is to be read
            if found.story:
                print(found.story)  # noqa: T201 -- as above

    return print_found


@pytest.mark.parametrize("world", _WORLDS, ids=lambda world: world.name)
def test_no_interleaving_breaks_an_invariant(world: World, report: Callable[[Found], None]) -> None:
    """In every state that three workers on one key can reach, all invariants hold."""
    found = Search(Program(world.config, Port, by_the_verbs), world).run()
    report(found)
    assert not found.broken, found.story


@pytest.mark.parametrize("world", BATCHES, ids=lambda world: world.name)
def test_no_interleaving_of_batches_breaks_an_invariant(
    world: World, report: Callable[[Found], None]
) -> None:
    """The SQS adapter keeps the invariants too, and deletes no message whose work is not done."""
    found = Search(Program(world.config, Port, by_the_batch), world).run()
    report(found)
    assert not found.broken, found.story


@pytest.mark.parametrize("world", _PAIRS, ids=lambda world: world.name)
def test_no_interleaving_of_pairs_breaks_an_invariant(
    world: World, report: Callable[[Found], None]
) -> None:
    """Claims made ahead in one request and completions in groups keep them, on either key."""
    found = Search(Program(world.config, ManyPort, by_the_batch), world).run()
    report(found)
    assert not found.broken, found.story


@pytest.mark.parametrize("world", _TRANSACTIONS, ids=lambda world: world.name)
def test_no_interleaving_makes_a_transactions_effect_twice(
    world: World, report: Callable[[Found], None]
) -> None:
    """Where effect and record are one write, no crash and no lost answer doubles the effect."""
    found = Search(Program(world.config, Port, by_the_verbs_in_transactions), world).run()
    report(found)
    assert not found.broken, found.story


@pytest.mark.parametrize("world", TRANSACTION_BATCHES, ids=lambda world: world.name)
def test_no_interleaving_of_batches_makes_a_transactions_effect_twice(
    world: World, report: Callable[[Found], None]
) -> None:
    """The SQS adapter finds out what became of a handler's transaction, and drops no event."""
    found = Search(Program(world.config, Port, by_the_batch_in_transactions), world).run()
    report(found)
    assert not found.broken, found.story


@pytest.mark.parametrize(
    "mistake",
    [*MISTAKES, *PAIR_MISTAKES, *TRANSACTION_MISTAKES],
    ids=lambda mistake: mistake.name,
)
def test_each_mistake_is_caught(mistake: Mistake, report: Callable[[Found], None]) -> None:
    """The check can fail: a broken variant breaks the invariant that it must break."""
    found = mistake.search()
    report(found)
    assert found.broken in mistake.caught_by, found


@pytest.mark.parametrize(
    "budget",
    [Budget(2, waits=1), Budget(2, losses=1, raises=1), Budget(3, crashes=1)],
    ids=str,
)
def test_what_is_left_out_changes_nothing(budget: Budget) -> None:
    """Merging equal program states and letting answers go first loses no state of the store."""
    world = World("both ways", budget)
    program = Program(world.config, Port, by_the_verbs)
    short, long = Search(program, world), Search(program, world._replace(reduced=False))
    assert long.run().states > short.run().states
    assert long.stores == short.stores
