"""`python -m tests.bench.aio`: AsyncDeduplicator, and the same writes bare on aiobotocore."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median
from typing import Any

from cxone_idem import Config, Deduplicator, DynamoDBStore
from cxone_idem.aio import AsyncDeduplicator
from cxone_idem.stores.dynamodb import create_client
from tests.bench.wire import table_behind
from tests.support.engines import MISSING, is_missing, running, use_stand_in_credentials
from tests.support.events import Context, batch_of

_SIZE, _RUNS, _WARM_UP_ROUNDS, _ROUNDS = 10, 20, 4, 15  # the engine's own compiler warms up
_AT_ONCE, _BATCH = "ten events at once", "batch of ten, no-op handler"


async def _ours(ours: AsyncDeduplicator, shape: str) -> None:
    async def event(key: str) -> None:
        await ours.claim(key)
        await ours.complete(key)

    async def handler(_: Any) -> None:
        pass

    keys = [f"key-{uuid.uuid4().hex}" for _ in range(_SIZE)]
    if shape == _AT_ONCE:
        await asyncio.gather(*map(event, keys))
    else:
        response = await ours.process_batch(batch_of(*keys), handler, context=Context(30_000))
        assert not response["batchItemFailures"], response


async def _bare(client: Any, shape: str, calls: list[dict[str, Any]]) -> None:
    async def event(claim: dict[str, Any], completion: dict[str, Any]) -> None:
        await client.put_item(**claim)
        await client.put_item(**completion)

    if shape == _AT_ONCE:
        await asyncio.gather(*map(event, calls[:_SIZE], calls[_SIZE:]))
    else:
        answers = [await client.batch_execute_statement(**call) for call in calls]
        assert "Error" not in json.dumps([answer["Responses"] for answer in answers]), answers


async def _recorded(table: str, shape: str) -> str:
    """Return what this library sends, the completions of a batch all in one request, as JSON."""
    client, calls = create_client(), list[dict[str, Any]]()
    client.meta.events.register("provide-client-params", lambda params, **_: calls.append(params))
    deduplicator = Deduplicator(DynamoDBStore(table, client), Config(table=table, linger_ms=1000))
    await _ours(AsyncDeduplicator(deduplicator), shape)
    if shape == _AT_ONCE:  # claims first, completions in the same order
        calls.sort(key=lambda call: [call["Item"][n]["S"] for n in ("state", "id")], reverse=True)
    assert len(calls) == (2 * _SIZE if shape == _AT_ONCE else 2), calls
    return json.dumps(calls)


async def _measure(table: str, shape: str, bare: dict[str, Any]) -> None:
    ours = AsyncDeduplicator(Deduplicator(DynamoDBStore(table), Config(table=table)))
    writes, rounds = await _recorded(table, shape), []
    for _ in range(_WARM_UP_ROUNDS + _ROUNDS):
        rounds.append({name: [0.0, 0.0] for name in ("AsyncDeduplicator", *bare)})
        for name in list(rounds[-1]) * _RUNS:
            calls = json.loads(writes.replace("key-", f"key-{uuid.uuid4().hex[:8]}"))
            run = _bare(bare[name], shape, calls) if name in bare else _ours(ours, shape)
            cpu, wall = time.process_time(), time.perf_counter()
            await run
            rounds[-1][name][0] += (time.process_time() - cpu) * 1000 / _RUNS
            rounds[-1][name][1] += (time.perf_counter() - wall) * 1000 / _RUNS
    print(f"{shape}: {_ROUNDS} rounds of {_RUNS}, medians; load average {os.getloadavg()[0]:.2f}")
    kept = rounds[_WARM_UP_ROUNDS:]
    for name in kept[0]:
        for n, unit in enumerate(("CPU", "wall")):
            spent = [(each[name][n], each["AsyncDeduplicator"][n] / each[name][n]) for each in kept]
            ms, over = map(sorted, zip(*spent, strict=True))
            ratio = f"{median(over):.2f} ({over[0]:.2f} to {over[-1]:.2f})"
            print(f"  {name:30} {unit:4} {median(ms):6.2f} ms; ours / this {ratio}", flush=True)


async def _main() -> None:
    create = import_module("aiobotocore.session").get_session().create_client
    # As this library's own client; to check parameters takes much of a batch's CPU.
    config = import_module("aiobotocore.config").AioConfig(parameter_validation=False)
    print(*(f"{name} {version(name)}" for name in ("aiobotocore", "botocore")))
    # `table_behind` has the SDK's new clients find the engine behind the wire.
    with running("dynamodb-local", for_long=True) as make, table_behind(make, 5):
        async with create("dynamodb") as bare, create("dynamodb", config=config) as unchecked:
            for shape in (_AT_ONCE, _BATCH):
                both = {"aiobotocore": bare, "aiobotocore, no validation": unchecked}
                await _measure(make().name, shape, both)


if __name__ == "__main__":
    if find_spec("aiobotocore") is None:
        print("skipped: aiobotocore is not installed; it pins botocore, so use a venv of its own")
    elif is_missing("dynamodb-local"):
        print("skipped:", MISSING["dynamodb-local"])
    else:
        use_stand_in_credentials()
        asyncio.run(_main())
