"""Processes that freeze or die: what no scripted server in this process can do."""

import asyncio

import grpc
import pytest

from tests.support.callers import caller
from tests.support.eventually import DEADLINE, eventually
from tests.support.model_process import model_process
from tests.support.models import model
from tests.support.sidecars import route, service, sidecar

OURS = "/understudy.v1.PredictionService/Predict"
UNKNOWN = "/any.Service/Method"


async def test_a_frozen_shadow_costs_its_caller_nothing(engine: str) -> None:
    """More bytes than its connection takes are on their way to it; still every call ends at once."""
    async with model() as server, model_process() as shadow:
        mirrors = [{"variant": "v2", "percent": 100, "deadline": "1s", "max_in_flight": 30}]
        what = service(
            {"v1": server.address, "v2": shadow.address}, route(weights={"v1": 1}, mirrors=mirrors)
        )
        async with sidecar(engine, what) as one, caller(one.address) as call:
            await one.until_live("v2")
            await call.unary(OURS)
            await one.until_mirrored()
            shadow.stop()
            replies = [await call.unary(OURS, b"x" * 100_000, deadline=5.0) for _ in range(50)]
            assert one.outcomes("v2") == {"match": 1, "dropped_in_flight": 20}  # 30 are still waited for
            await one.until_mirrored()
            shadow.go_on()
            async with asyncio.timeout(DEADLINE):
                while one.outcomes("v2")["match"] < 2:  # it was cut off for a while
                    await call.unary(OURS)
                    await one.until_mirrored()

    assert all(reply.ok for reply in replies)
    outcomes = one.outcomes("v2")
    outcomes.pop("dropped_breaker")
    assert outcomes == {"match": 2, "dropped_in_flight": 20, "deadline": 30}
    assert one.mirrors.bytes_held == 0


@pytest.mark.parametrize("method", [OURS, UNKNOWN])
async def test_a_killed_model_server_ends_its_calls(engine: str, method: str) -> None:
    async with (
        model_process("hangs") as server,
        sidecar(engine, service({"v1": server.address})) as one,
        caller(one.address) as call,
        asyncio.TaskGroup() as tasks,
    ):
        pending = [tasks.create_task(call.unary(method)) for _ in range(10)]
        await eventually(lambda: one.engine.in_flight().get("v1") == 10)
        await server.kill()

    assert {(task.result().code, task.result().error) for task in pending} <= {
        (grpc.StatusCode.UNAVAILABLE, "upstream_reset"),
        (grpc.StatusCode.UNAVAILABLE, "no_live_upstream"),  # where it died before the call was written
    }


@pytest.mark.parametrize("method", [OURS, UNKNOWN])
async def test_calls_after_a_kill_are_carried_by_the_fallback(engine: str, method: str) -> None:
    async with model() as first, model_process() as second:
        what = service({"v1": first.address, "v2": second.address}, route(weights={"v2": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            await one.until_live("v2")
            assert (await call.unary(method)).variant == "v2"
            await second.kill()
            await one.until_dead("v2")
            replies = [await call.unary(method) for _ in range(5)]

    assert {(reply.code, reply.variant) for reply in replies} == {(grpc.StatusCode.OK, "v1")}
