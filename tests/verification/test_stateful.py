from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    multiple,
    rule,
    run_state_machine_as_test,
)

from cxone_idem import (
    Claimed,
    ClaimLostError,
    Config,
    Deduplicator,
    InProgressError,
    MemoryStore,
)
from cxone_idem.record import State
from cxone_idem.testing.rehearsal import MovableClock, RehearsalStore
from tests.verification.claim_model import (
    CLOCKS_SECONDS,
    LEASE_SECONDS,
    RETENTION_SECONDS,
    Held,
    Model,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxone_idem.protocol.store import PutResult, Store
    from cxone_idem.record import Record

_SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)


class ForgetfulStore:
    """A broken store: it writes whatever it is asked to."""

    def put_if(self, record: Record, expected_version: str | None) -> PutResult:  # noqa: ARG002 -- by contract
        """Write without a condition."""
        return MemoryStore().put_if(record, None)


class Workers(RuleBasedStateMachine):
    """Three workers with wrong clocks and two keys, step by step beside the model."""

    claims = Bundle("claims")
    keys = st.sampled_from(["k", "k2"])

    def __init__(self, make_store: Callable[[], Store]) -> None:
        super().__init__()
        self.clock = MovableClock()
        self.store = RehearsalStore(make_store(), self.clock)
        self.model = Model()
        # A table outlives a machine; its keys must not.
        config = Config(
            namespace=f"stateful-{uuid4().hex}",
            lease_seconds=LEASE_SECONDS,
            retention_seconds=RETENTION_SECONDS,
        )
        self.workers = [self._worker(config, seconds) for seconds in CLOCKS_SECONDS]

    def _worker(self, config: Config, wrong_seconds: float) -> Deduplicator:
        return Deduplicator(self.store, config, now=lambda: self.clock() + wrong_seconds)

    @rule(target=claims, worker=st.sampled_from(range(len(CLOCKS_SECONDS))), key=keys)
    def claim(self, worker: int, key: str) -> object:
        """Claim: granted, refused or already done, as the model allows."""
        allowed = self.model.allowed(key, self.clock())
        try:
            outcome = self.workers[worker].claim(key)
        except InProgressError:
            told = "in progress"
        else:
            told = "claimed" if outcome else "done"
        assert told in allowed
        if told != "claimed":
            return multiple()
        assert isinstance(outcome, Claimed)
        self.model.claims[key] += 1
        assert outcome.generation == self.model.claims[key]
        held = Held(worker, key, outcome)
        held.promise(self.clock())
        self.model.standing[key] = held
        return held

    @rule(held=claims)
    def complete(self, held: Held) -> None:
        """Complete, which only the owner can; doing so twice is the same as once."""
        if held.state is State.DONE:
            held.claim.complete()
        elif self._may(held, held.claim.complete):
            held.settle(State.DONE, self.clock())

    @rule(held=claims)
    def release(self, held: Held) -> None:
        """Release, which only the owner can."""
        if self._may(held, held.claim.release):
            held.state = State.RELEASED

    @rule(held=claims)
    def extend(self, held: Held) -> None:
        """Extend, which only the owner can, also after its lease if nobody took over."""
        if self._may(held, held.claim.extend):
            held.promise(self.clock())

    @rule(held=claims)
    def complete_by_key(self, held: Held) -> None:
        """Complete by key what the process owns."""
        # A process forgets claims that it abandoned a retention ago.
        remembered_until = held.surely_until + RETENTION_SECONDS
        if self.model.owns(held) and self.clock() < remembered_until:
            self.workers[held.worker].complete(held.key)
            held.settle(State.DONE, self.clock())

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.875, 13.0, 140.0, 598.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time go on."""
        self.clock.advance(seconds)

    @rule(answers=st.integers(1, 2))
    def lose_answers(self, answers: int) -> None:
        """Lose the next answers, so that the SDK retries: nobody may notice."""
        self.store.lose_answers(answers)

    def _may(self, held: Held, act: Callable[[], None]) -> bool:
        if self.model.owns(held):
            act()
            return True
        with pytest.raises(ClaimLostError):
            act()
        return False


def check(make_store: Callable[[], Store], how: settings = _SETTINGS) -> None:
    """Hold the public API on a store against the model."""

    class OnStore(Workers):
        def __init__(self) -> None:
            super().__init__(make_store)

    run_state_machine_as_test(OnStore, settings=how)


def test_workers_behave_like_the_model() -> None:
    """Whatever the verbs' order, lapses and lost answers, the library does as a dict says."""
    check(MemoryStore)


def test_workers_behave_like_the_model_on_every_engine(new_table: Callable[[], Any]) -> None:
    """The same, over real conditional writes; fewer rounds, as each write is a request."""
    check(lambda: new_table().store(), settings(_SETTINGS, max_examples=10))


def test_the_model_detects_a_broken_store() -> None:
    """The model can fail: it does on a store without conditions."""
    unshrunk = settings(_SETTINGS, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError, match=r"claimed|generation"):
        check(ForgetfulStore, unshrunk)
