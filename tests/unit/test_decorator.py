"""`@once`: a function of one event, run once per key; what it refuses, and what it never loses."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import pytest

from cxone_idem import (
    AlreadyDone,
    Claimed,
    Config,
    ConfigError,
    Deduplicator,
    FingerprintMismatchError,
    IdemError,
    InProgressError,
    KeyMissingError,
    MemoryStore,
    ResultMissingError,
    current_claim,
    once,
)
from cxone_idem.claims.key_owners import KeyOwners
from cxone_idem.record import State
from tests.support.clocks import MovableClock, TellsTime
from tests.support.documents import code_blocks
from tests.support.events import Context, batch_of, envelope, failed
from tests.support.failing_store import FailingStore
from tests.support.transacting_store import TransactingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Event = dict[str, Any]


@pytest.fixture
def store() -> MemoryStore:
    """Return a store that the workers of a test share."""
    return MemoryStore()


@pytest.fixture
def deduplicator(store: MemoryStore) -> Deduplicator:
    """Return the deduplicator that functions are decorated with."""
    return Deduplicator(store)


def worker(store: Any, *, config: Config | None = None, **more: Any) -> tuple[Any, list[Event]]:
    """Return a decorated function in a process of its own, and the events it ran on."""
    ran: list[Event] = []

    @once(deduplicator=Deduplicator(store, config), **more)
    def process_event(event: Event, context: object = None) -> str:  # noqa: ARG001 -- as Lambda calls it
        ran.append(event)
        return f"did {event['detail']['IdempotencyKey']}"

    return process_event, ran


def test_in_progress_elsewhere_is_an_error(deduplicator: Deduplicator, store: MemoryStore) -> None:
    """The event is left where it is; once the other worker gives up, this one runs."""
    function, ran = worker(store)
    elsewhere = deduplicator.claim("k")
    assert elsewhere
    with pytest.raises(InProgressError):
        function(envelope("k"))
    elsewhere.release()
    assert function(envelope("k")) == "did k"
    assert len(ran) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_it_raises_is_raised_and_the_key_is_free(
    deduplicator: Deduplicator, error: type[BaseException]
) -> None:
    """A failure is the caller's to see, and the next delivery need not wait for the lease."""
    fails = [True, False]

    @once(deduplicator=deduplicator)
    def process_event(_: Event) -> str:
        if fails.pop(0):
            raise error
        return "done"

    with pytest.raises(error):
        process_event(envelope("k"))
    assert process_event(envelope("k")) == "done"
    done = deduplicator.claim("k")
    assert isinstance(done, AlreadyDone)
    assert done.record.generation == 2


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("detail.conversationId", "conv-123"),
        ("['notify', id]", '["notify","event-of-k"]'),
        (lambda event: event["detail"]["eventType"], "conversation.start"),
        (None, "k"),
    ],
    ids=["jmespath", "composite", "function", "environment's"],
)
def test_the_key_is_what_the_caller_says(
    store: MemoryStore, key: str | Callable[[Any], str] | None, expected: str
) -> None:
    """A JMESPath, a function of the event, or what the setting finds."""
    function, _ = worker(store, key=key)
    function(envelope("k"))
    assert not Deduplicator(store).claim(expected)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (lambda _: "  ", "given as key= returned for this event is blank"),
        (lambda _: None, "given as key= returned for this event is None"),
        (lambda _: 17, "given as key= returned for this event is an int"),
        ("nothing.there", "no usable key"),
    ],
)
def test_an_event_without_a_key_is_an_error(store: MemoryStore, key: Any, says: str) -> None:
    """It never runs unprotected."""
    function, ran = worker(store, key=key)
    with pytest.raises(KeyMissingError, match=says):
        function(envelope("k"))
    assert not ran


@pytest.mark.parametrize("event", [None, [], "text", 17, object()], ids=repr)
def test_what_is_no_event_is_an_error(store: MemoryStore, event: object) -> None:
    """Whatever comes instead of an event has no key."""
    function, ran = worker(store)
    with pytest.raises(KeyMissingError):
        function(event)
    assert not ran


def test_another_event_of_the_same_key_is_an_error(store: MemoryStore) -> None:
    """By `CXONE_IDEM_FINGERPRINT`, as in a batch: one that differs is no duplicate."""
    config = Config(fingerprint="detail.conversationId")
    function, ran = worker(store, config=config)
    Deduplicator(store, config).process_batch(batch_of("k"), lambda _: None)
    assert function(envelope("k")) is None
    other = envelope("k")
    other["detail"]["conversationId"] = "conv-456"
    with pytest.raises(FingerprintMismatchError):
        function(other)
    assert not ran


def test_the_event_may_be_passed_by_name(store: MemoryStore) -> None:
    """And a call that fits no parameter is the error that Python makes of it."""
    function, ran = worker(store)
    function(event=envelope("k"), context=None)
    assert function(envelope("k")) is None
    assert len(ran) == 1
    with pytest.raises(TypeError, match="unexpected keyword"):
        function(envelope("k"), nonsense=True)


def test_on_lambda_the_lease_ends_with_the_invocation(clock: MovableClock) -> None:
    """The second argument is Lambda's context: after its deadline the key is free."""
    store = TellsTime(MemoryStore(), clock)
    held: list[Claimed] = []

    @once(deduplicator=Deduplicator(store, now=clock))
    def handler(event: Event, context: Any) -> None:  # noqa: ARG001 -- as Lambda calls it
        claim = current_claim()
        assert claim
        held.append(claim)
        with pytest.raises(InProgressError) as caught:
            Deduplicator(store, now=clock).claim("k")
        assert caught.value.retry_after_seconds <= 20 + 1 + 3

    handler(envelope("k", **{"replay-name": "replay-1"}), Context(20_000))
    (claim,) = held
    assert claim.record.state is State.DONE
    origin = claim.record.origin
    assert (origin.event_id, origin.replay_name) == ("event-of-k", "replay-1")
    assert origin.request_id == "request-1"


def test_a_second_argument_that_is_no_context_is_left_alone(store: MemoryStore) -> None:
    """A function may take whatever it likes beside its event."""
    function, _ = worker(store)
    assert function(envelope("k"), "no context") == "did k"


def test_a_duplicate_gets_the_stored_result(store: MemoryStore) -> None:
    """Opted in, every delivery gets the same error, here and in another process."""
    function, _ = worker(store, store_result=True)
    elsewhere, ran_elsewhere = worker(store, store_result=True)
    assert [function(envelope("k")) for _ in range(2)] == ["did k"] * 2
    assert elsewhere(envelope("k")) == "did k"
    assert not ran_elsewhere


def test_a_result_that_cannot_be_stored_is_an_error_to_duplicates_only(
    deduplicator: Deduplicator, caplog: pytest.LogCaptureFixture
) -> None:
    """The first run has its result and is recorded; duplicates do not run: their error says why."""
    runs: list[Any] = []

    @once(deduplicator=deduplicator, store_result=True)
    def process_event(event: Event) -> object:
        runs.append(event)
        return runs.append

    assert process_event(envelope("k")) == runs.append
    assert "without its result" in caplog.text
    with pytest.raises(ResultMissingError, match="'k'"):
        process_event(envelope("k"))
    assert len(runs) == 1


def test_a_completion_the_store_does_not_take_raises_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The effect is made: raising would have it made again. This process knows, and says so."""
    store = FailingStore(MemoryStore())
    function, ran = worker(store, store_result=True)
    store.fails = State.DONE
    assert function(envelope("k")) == "did k"
    assert "ran, but that is not recorded yet" in caplog.text
    assert function(envelope("k")) == "did k"
    store.fails = None
    function(envelope("l"))
    elsewhere, _ = worker(store, store_result=True)
    assert elsewhere(envelope("k")) == "did k"
    assert len(ran) == 2


def test_a_claim_lost_at_the_end_raises_nothing(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer worker took the key over meanwhile: logged as an error, as in a batch."""
    store = MemoryStore()

    @once(deduplicator=Deduplicator(store, now=clock))
    def process_event(_: Event) -> str:
        clock.advance(1000)
        assert Deduplicator(store, now=clock).claim("k")
        return "done"

    assert process_event(envelope("k")) == "done"
    assert "ran, perhaps a second time" in caplog.text


def test_a_transaction_that_committed_unanswered_is_found_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the function raises is raised, nothing is warned of, and the duplicate does not run."""
    store = TransactingStore()

    @once(deduplicator=Deduplicator(store))
    def process_event(_: Event) -> None:
        claim = current_claim()
        assert claim
        store.put_if(*claim.transaction_item())
        raise TimeoutError

    with pytest.raises(TimeoutError):
        process_event(envelope("k"))
    process_event(envelope("k"))
    assert not caplog.records


def test_the_kill_switch_runs_everything(store: MemoryStore) -> None:
    """Disabled, every call runs, without a claim and without a key."""
    function, ran = worker(store, config=Config(disabled=True))
    for event in (envelope("k"), envelope("k"), envelope(None, id="")):
        function(event)
    assert len(ran) == 3


def test_decorating_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's deduplicator is made at the first call, and wrong settings fail then."""
    monkeypatch.setattr("cxone_idem.deduplicator._process.default", None)
    monkeypatch.setenv("CXONE_IDEM_LEASE_SECONDS", "wrong")

    @once
    def process_event(_: Event) -> None: ...

    with pytest.raises(ConfigError, match="CXONE_IDEM_LEASE_SECONDS"):
        process_event(envelope("k"))


def test_by_default_it_is_the_processes_deduplicator(
    deduplicator: Deduplicator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`@once` and the module's functions share their claims."""
    monkeypatch.setattr("cxone_idem.deduplicator._process.default", deduplicator)

    @once
    def process_event(_: Event) -> str:
        return "done"

    assert process_event(envelope("k")) == "done"
    assert not deduplicator.claim("k")


async def _async(event: Event) -> None: ...


async def _async_generator(event: Event) -> Any:
    yield event


def _generator(event: Event) -> Iterator[Event]:
    yield event


class Consumer:
    def process_event(self, event: Event) -> None: ...


def _no_parameter() -> None: ...


def _of_a_class(cls: type) -> None: ...


def _by_name_only(*, event: Event) -> None: ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_async, "_async is not one: it is async.*: use AsyncDeduplicator.claim and `async with`"),
        (_async_generator, "it is an async generator.*: use AsyncDeduplicator.claim"),
        (functools.partial(_async), "it is async"),
        (_generator, "_generator is not one: it is a generator"),
        (Consumer, "Consumer is not one: it is a class"),
        ("detail.id", r"this is a str; .*: a key is @once\(key='...'\)"),
        (17, "an int is not one: it cannot be called"),
        (Consumer.process_event, "it is a method.*once\\(it.method\\)"),
        (staticmethod(_no_parameter), "put it below @staticmethod"),
        (classmethod(_of_a_class), "put it below @classmethod"),
        (_no_parameter, "first parameter must be the event"),
        (_by_name_only, "first parameter must be the event"),
        (type, "type is not one: it is a class"),
    ],
)
def test_what_cannot_work_is_refused_at_decoration(function: Any, why: str) -> None:
    """Nothing waits for the first event to fail."""
    with pytest.raises(TypeError, match=why):
        once(function)
    with pytest.raises(TypeError, match=why):
        once(store_result=True)(function)


def test_a_key_that_cannot_work_is_refused_at_decoration() -> None:
    """A JMESPath that cannot be parsed, an async function."""
    with pytest.raises(ConfigError, match=r"key='detail\.' is not a JMESPath"):
        once(key="detail.")
    with pytest.raises(TypeError, match="key is an async function"):
        once(key=_async)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [_async, _generator], ids=["coroutine", "generator"])
def test_work_that_has_not_begun_is_not_taken_for_done(
    deduplicator: Deduplicator, kind: Callable[[Event], Any]
) -> None:
    """A plain function that returns a coroutine or a generator has done nothing yet."""
    function = once(deduplicator=deduplicator)(lambda event: kind(event))  # noqa: PLW0108 -- hides the kind
    with pytest.raises(TypeError, match="whose work is still to be done"):
        function(envelope("k"))
    assert deduplicator.claim("k")


def test_bound_methods_and_partials_are_functions_of_an_event(deduplicator: Deduplicator) -> None:
    """Whatever is called with the event can be decorated."""
    ran: list[str] = []

    class Service:
        def process_event(self, event: Event) -> None:
            ran.append(event["id"])

        @staticmethod
        @once(deduplicator=deduplicator, key="['static', id]")
        def static(event: Event) -> None:
            ran.append(event["id"])

    def add(name: str, _: Event) -> None:
        ran.append(name)

    for function in (
        once(deduplicator=deduplicator)(Service().process_event),
        Service.static,
        once(deduplicator=deduplicator, key="['partial', id]")(functools.partial(add, "partial")),
    ):
        for _ in range(2):
            function(envelope("k"))
    assert ran == ["event-of-k", "event-of-k", "partial"]


def test_two_functions_that_share_a_key_are_an_error(deduplicator: Deduplicator) -> None:
    """The second one's work would never be done: that is an error and no duplicate."""
    ran: list[str] = []

    @once(deduplicator=deduplicator)
    def bill(_: Event) -> None:
        ran.append("bill")

    @once(deduplicator=deduplicator)
    def notify(_: Event) -> None:
        ran.append("notify")

    @once(deduplicator=deduplicator, key="['thank', id]")
    def thank(_: Event) -> None:
        ran.append("thank")

    bill(envelope("k"))
    with pytest.raises(IdemError, match=r"notify did not run: its key 'k' is done by .*bill"):
        notify(envelope("k"))
    thank(envelope("k"))
    bill(envelope("k"))
    notify(envelope("l"))
    assert ran == ["bill", "thank", "notify"]


def test_what_functions_did_is_remembered_within_bounds() -> None:
    """As many keys as a batch can have, so that functions of one event meet; then they go."""
    doers = KeyOwners()
    for number in range(10_001):
        doers.note(f"key-{number}", "bill")
    with pytest.raises(IdemError, match="done by bill"):
        doers.check("key-1", "notify")
    doers.check("key-0", "notify")
    with pytest.raises(IdemError, match="done by notify"):
        doers.check("key-0", "bill")


def test_a_key_that_its_caller_holds_is_an_error(
    deduplicator: Deduplicator, caplog: pytest.LogCaptureFixture
) -> None:
    """Under `process_batch` the event is claimed already: one of the two is too many."""
    function, ran = worker(MemoryStore())
    inner = once(deduplicator=deduplicator)(lambda event: ran.append(event))  # noqa: PLW0108 -- has parameters to read
    with caplog.at_level(logging.ERROR):
        assert failed(deduplicator.process_batch(batch_of("k"), inner)) == ["m0"]
    assert "held by the caller of this @once function" in caplog.text
    assert not ran
    function(envelope("k"))
    assert len(ran) == 1


def test_name_and_docstring_stay() -> None:
    """Logs, tracebacks and tools see the function."""

    @once
    def process_event(_: Event) -> None:
        """Do it."""

    assert process_event.__name__ == "process_event"
    assert process_event.__doc__ == "Do it."


def test_the_readmes_block_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block is a working function: two deliveries, one effect."""
    in_memory = Deduplicator(MemoryStore())
    monkeypatch.setattr(Deduplicator, "from_environ", lambda: in_memory)
    (block,) = code_blocks("One event at a time: `@once`")
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 -- README's own code
    for _ in range(2):
        names["handler"](envelope("k"), Context(30_000))
    assert capsys.readouterr().out == "starting conv-123\n"
