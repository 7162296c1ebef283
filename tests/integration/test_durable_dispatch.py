"""The durable dispatcher: one execution per event, whatever becomes of the dispatcher.

The SDK's test runner runs the executions. `DurableLambda` is a stand-in for Lambda's Invoke, since
the runner knows no idempotent start. None of this has run on AWS.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import runpy
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.session import get_session

from cxone_idem.testing.rehearsal import Rehearsal
from tests.support.documents import ROOT, code_blocks
from tests.support.durable_lambda import PATIENCE_SECONDS, DurableLambda
from tests.support.events import Context, batch, batch_of, envelope, failed, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SDK = "aws_durable_execution_sdk_python_testing"
PYTHON_HAS_SDK = sys.version_info >= (3, 11)
DISPATCHER = ROOT / "examples" / "durable_dispatch" / "dispatcher.py"
DONE = [("SUCCEEDED", '{"case": "case-of-conv-123"}')]
# The shortest there is: a dead dispatcher's key is free 4 s later.
SHORT_LEASE_SECONDS = "1"

# A dispatcher process: it is delivered the batch on its stdin.
PROCESS = """
import json, sys
from examples.durable_dispatch import dispatcher
dispatcher.handler(json.load(sys.stdin), None)
"""


@pytest.fixture(autouse=True)
def _sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Skip where there is no SDK; where there must be one, fail."""
    if not PYTHON_HAS_SDK:
        pytest.skip("AWS's durable execution SDK needs Python 3.11 or newer")
    if find_spec(SDK) is None:
        problem = f"{SDK} is not installed: it comes with the dev extra"
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    # The runner leaves its event loop to the garbage collector, which warns.
    new_loop, loops = asyncio.new_event_loop, []

    def remembered() -> asyncio.AbstractEventLoop:
        loops.append(new_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", remembered)
    yield
    for loop in loops:
        loop.close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[DurableLambda]:
    """Return the Lambda service of clients that are made from now on."""
    workflow = importlib.import_module("examples.durable_dispatch.workflow")
    testing = importlib.import_module(SDK)
    with (
        testing.DurableFunctionTestRunner(handler=workflow.handler) as runner,
        DurableLambda(runner).serving() as served,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", served.url)
        yield served


@pytest.fixture
def table(new_shared_table: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a fresh table, which dispatchers that are loaded from now on share."""
    made = new_shared_table()
    monkeypatch.setenv("CXONE_IDEM_TABLE", made.name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", made.endpoint)
    return made


def dispatcher() -> dict[str, Any]:
    """Return a dispatcher's names, initialised as a Lambda environment of its own."""
    return runpy.run_path(str(DISPATCHER))


def rehearsed() -> dict[str, Any]:
    """Return a dispatcher on a store in memory."""
    with Rehearsal().serving():
        return dispatcher()


@pytest.mark.engine
@pytest.mark.usefixtures("table")
def test_two_deliveries_at_once_start_one_execution(service: DurableLambda) -> None:
    """Within 100 ms, in two environments: one starts, the other comes back and is dropped."""
    environments = [dispatcher(), dispatcher()]
    barrier = threading.Barrier(2)
    delivered: list[float] = []
    came_back: list[list[str]] = []

    def deliver(names: dict[str, Any]) -> None:
        barrier.wait()
        delivered.append(time.monotonic())
        came_back.append(failed(names["handler"](batch_of("k"), Context())))
        service.may_answer.set()

    # The first to claim cannot finish before the other is through.
    service.may_answer.clear()
    threads = [threading.Thread(target=deliver, args=[names]) for names in environments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(delivered) - min(delivered) < 0.1
    assert came_back == [["m0"], []]
    for names in environments:
        assert failed(names["handler"](batch_of("k"), Context())) == []
    assert len(service.requests) == 1
    assert service.results() == DONE


@pytest.mark.engine
@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(("heeds_names", "executions"), [(True, 1), (False, 2)])
def test_a_dispatcher_killed_before_its_record_starts_none_more(
    *,
    heeds_names: bool,
    executions: int,
    service: DurableLambda,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGKILL between the start and the record: the redelivery asks again, under the same name.

    Control: if the service ignores names there are two, so it is they that close the window.
    """
    service.heeds_names = heeds_names
    monkeypatch.setenv("CXONE_IDEM_LEASE_SECONDS", SHORT_LEASE_SECONDS)
    service.may_answer.clear()
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        process.stdin.write(json.dumps(batch_of("k")))
        process.stdin.close()
        try:
            assert service.has_started.wait(PATIENCE_SECONDS)
            assert process.poll() is None
        finally:
            process.kill()
    service.may_answer.set()
    survivor = dispatcher()
    deadline = time.monotonic() + PATIENCE_SECONDS
    redeliveries = 1
    while failed(survivor["handler"](batch_of("k"), None)):
        assert time.monotonic() < deadline
        redeliveries += 1
        time.sleep(0.2)
    assert redeliveries > 1, "the dead dispatcher had recorded its start"
    assert len(service.requests) == 2
    assert service.results() == DONE * executions


def test_each_event_has_an_execution_of_its_own(
    service: DurableLambda, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named after its key, with key and detail as input; both steps of each ran once."""
    names = rehearsed()
    for keys in (["a", "b", "a"], ["b"]):
        assert failed(names["handler"](batch_of(*keys), Context())) == []
    assert [start.name for start in service.starts] == [names["execution_name"](k) for k in "ab"]
    assert {start.function for start in service.starts} == {"cxone-workflow"}
    inputs = [json.loads(start.payload) for start in service.starts]
    assert inputs == [{"key": k, "detail": envelope(k)["detail"]} for k in "ab"]
    assert service.results() == DONE * 2
    said = capsys.readouterr().out
    assert said.count("open a case") == said.count("remind of") == 2


def test_the_same_key_with_another_payload_comes_back(service: DurableLambda) -> None:
    """Lambda refuses it, so the message fails: it is neither dropped nor started."""
    names = rehearsed()
    name = names["execution_name"]("k")
    service.invoke("cxone-workflow", name, "{}")
    assert failed(names["handler"](batch_of("k"), Context())) == ["m0"]
    assert service.requests == [name, name]
    assert len(service.starts) == 1


def test_an_emission_of_other_id_and_time_is_the_same_start(service: DurableLambda) -> None:
    """Only the key and the detail are sent: what EventBridge adds makes no other payload."""
    for fields in ({"id": "e1", "time": "2023-10-27T14:30:00Z"}, {"id": "e2"}):
        names = rehearsed()  # of its own memory: the record of the first is lost
        event = batch(record("m0", envelope("k", **fields)))
        assert failed(names["handler"](event, Context())) == []
    assert len(service.requests) == 2
    assert service.results() == DONE


@pytest.mark.parametrize("key", ["k", None])
def test_the_kill_switch_does_not_start_twice(
    key: str | None, service: DurableLambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without claims the name is there still; and it is the one that a claim would give."""
    monkeypatch.setenv("CXONE_IDEM_DISABLED", "true")
    names = dispatcher()
    event = batch(record("m0", envelope(key)))
    for _ in range(2):
        assert failed(names["handler"](event, Context())) == []
    monkeypatch.delenv("CXONE_IDEM_DISABLED")
    assert failed(rehearsed()["handler"](event, Context())) == []
    assert len(service.requests) == 3
    assert service.results() == DONE


@pytest.mark.parametrize("key", ["", "a b", "ä" * 200, "\ud800", "x" * 2000])
def test_any_key_makes_a_name_that_lambda_takes(key: str) -> None:
    """By botocore's own model of Invoke, which has to know the parameter at all."""
    names = rehearsed()
    model: Any = get_session().get_service_model("lambda").operation_model("Invoke").input_shape
    shape = model.members["DurableExecutionName"]
    assert shape.metadata == {"min": 1, "max": 64, "pattern": "[a-zA-Z0-9-_]+"}
    name = names["execution_name"](key)
    assert len(name) == 64
    assert name.isalnum()
    assert name.isascii()


def test_the_runner_alone_starts_each_name_twice() -> None:
    """Why there is a stand-in. If this fails, the runner has learned it: use that."""
    workflow = importlib.import_module("examples.durable_dispatch.workflow")
    with importlib.import_module(SDK).DurableFunctionTestRunner(handler=workflow.handler) as runner:
        arns = {runner.run_async(input="{}", execution_name="n") for _ in range(2)}
    assert len(arns) == 2


def test_the_guides_consumer_starts_each_event_once(service: DurableLambda) -> None:
    """Two deliveries, and a third to an environment that knows nothing: one execution."""
    (block,) = code_blocks("The dispatcher")
    for deliveries in (2, 1):
        names: dict[str, Any] = {}
        with Rehearsal().serving():
            exec(block, names)  # noqa: S102 -- the guide's own code
        for _ in range(deliveries):
            assert failed(names["handler"](batch_of("k"), Context())) == []
    assert len(service.requests) == 2
    assert service.results() == DONE


def test_the_guides_test_of_the_workflow_passes() -> None:
    """A day's wait in no time, each step once."""
    (block,) = code_blocks("Test the workflow")
    names: dict[str, Any] = {}
    home = str(DISPATCHER.parent)
    sys.path.insert(0, home)
    try:
        exec(block, names)  # noqa: S102 -- the guide's own code
        names["test_a_case_is_opened_and_remembered"]()
    finally:
        sys.path.remove(home)
        sys.modules.pop("workflow", None)


def test_the_stand_in_refuses_what_lambda_refuses(service: DurableLambda) -> None:
    """No version and no alias: AWS's page says that a durable function must have one."""
    client: Any = boto3.client("lambda")
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.invoke(FunctionName="cxone-workflow", InvocationType="Event", Payload=b"{}")
    assert not service.starts
