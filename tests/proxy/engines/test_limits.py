"""A call beyond a limit is refused at once and touches no model server."""

import asyncio

import grpc
import pytest

from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.models import model, waits_for
from tests.support.sidecars import fronted, route, service, sidecar

UNARY = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"


@pytest.mark.parametrize("method", [UNARY, STREAM])
@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"in_flight": 3}, "in_flight"), ({"per_variant": 3}, "in_flight_per_variant")],
)
async def test_exactly_as_many_as_allowed(
    engine: str, method: str, limits: dict[str, int], reason: str
) -> None:
    released = asyncio.Event()
    async with fronted(engine, waits_for(released), **limits) as (server, one, call):
        async with asyncio.TaskGroup() as tasks:
            pending = [tasks.create_task(call.unary(method)) for _ in range(3)]
            await eventually(lambda: len(server.calls) == 3)
            refused = [await call.unary(method) for _ in range(5)]
            released.set()
        again = await call.unary(method)
        await one.until_idle()

    assert {(reply.code, reply.error) for reply in refused} == {(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)}
    assert all(task.result().ok for task in pending)
    assert again.ok
    assert len(server.calls) == 4
    assert one.ledger.totals.refused == {reason: 5}


async def test_a_refused_call_is_not_mirrored(engine: str) -> None:
    released = asyncio.Event()
    async with model(waits_for(released)) as server, model() as shadow:
        mirrored = route(weights={"v1": 1}, mirrors=[{"variant": "v2", "percent": 100}])
        what = service({"v1": server.address, "v2": shadow.address}, mirrored)
        async with sidecar(engine, what, in_flight=1) as one, caller(one.address) as call:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(call.unary(UNARY))
                await server.next_call()
                refused = await call.unary(UNARY)
                released.set()
            await one.until_idle()

    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert one.ledger.totals.mirror_seen == {"v2": 1}
    assert len(shadow.calls) == 1
