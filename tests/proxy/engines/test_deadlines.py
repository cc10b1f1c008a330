"""Deadlines are passed on and only ever shrink."""

import asyncio

import grpc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.callers import caller
from tests.support.eventually import soon
from tests.support.models import echo, hangs, model
from tests.support.sidecars import fronted, route, service, sidecar

UNARY = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])

TIMES = st.lists(st.floats(0.3, 1e6) | st.floats(0.3, 20.0), min_size=15, max_size=15)


@BOTH
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(deadlines=TIMES, bound=st.none() | st.floats(0.3, 100.0))
@example(deadlines=[0.3, 0.777, 1.2345, 2.3456, 9.999, 12.345, 99.5, 123.45, 940.0], bound=None)
async def test_never_grow_on_the_way(
    engine: str, method: str, deadlines: list[float], bound: float | None
) -> None:
    """gRPC rounds up to what its wire format holds: once more, and a call would outlive its caller."""
    bounded = {} if bound is None else {"timeout": f"{bound:.9f}s"}
    async with (
        fronted(engine, echo, route(weights={"v1": 1}, **bounded)) as (server, _one, call),
        caller(server.address) as direct,
    ):
        for deadline in deadlines:
            assert (await direct.unary(method, deadline=deadline)).ok
            assert (await call.unary(method, deadline=deadline)).ok

    pairs = zip(deadlines, server.calls[::2], server.calls[1::2], strict=True)
    for deadline, straight, carried in pairs:
        assert straight.time_remaining is not None
        assert carried.time_remaining is not None
        rounded = max(deadline, straight.time_remaining)  # by the caller's own gRPC
        most = rounded if bound is None else min(rounded, bound)
        assert 0.97 * most - 0.2 < carried.time_remaining <= most


@BOTH
async def test_a_call_without_one_stays_without(engine: str, method: str) -> None:
    async with fronted(engine) as (server, _one, call):
        await call.unary(method, deadline=None)

    assert server.calls[0].time_remaining is None


@BOTH
@pytest.mark.parametrize(("deadline", "most"), [(None, 5.0), (60.0, 5.0), (2.0, 2.0)])
async def test_a_routes_timeout_bounds_it(
    engine: str, method: str, deadline: float | None, most: float
) -> None:
    async with model() as server:
        bounded = service({"v1": server.address}, route(weights={"v1": 1}, timeout="5s"))
        async with sidecar(engine, bounded) as one, caller(one.address) as call:
            await call.unary(method, deadline=deadline)

    assert server.calls[0].time_remaining is not None
    assert most - 1.0 < server.calls[0].time_remaining <= most


@BOTH
async def test_a_routes_timeout_ends_a_call_on_both_sides(engine: str, method: str) -> None:
    async with model(hangs) as server:
        bounded = service({"v1": server.address}, route(weights={"v1": 1}, timeout="0.2s"))
        async with sidecar(engine, bounded) as one, caller(one.address) as call:
            reply = await call.unary(method, deadline=None)
            await soon(server.calls[0].cancelled)

    assert (reply.code, reply.error) == (grpc.StatusCode.DEADLINE_EXCEEDED, "deadline_exceeded")
    assert one.codes("v1") == {"DEADLINE_EXCEEDED": 1}


@BOTH
async def test_a_callers_deadline_reaches_the_model_server(engine: str, method: str) -> None:
    async with fronted(engine, hangs) as (server, one, call):
        replies = await asyncio.gather(*(call.unary(method, deadline=0.3) for _ in range(20)))
        for seen in server.calls:
            await soon(seen.cancelled)
        await one.until_idle()

    assert {reply.code for reply in replies} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert one.codes("v1") == {"DEADLINE_EXCEEDED": 20}


async def test_a_streams_deadline_ends_it(engine: str) -> None:
    async with fronted(engine) as (server, one, call):
        stream = call.stream(STREAM, deadline=0.3)
        await stream.write(b"1")
        assert await stream.read() == b"1"
        with pytest.raises(grpc.aio.AioRpcError):
            await stream.read()
        assert await stream.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await soon(server.calls[0].ended)
        await one.until_idle()

    assert one.codes("v1") == {"DEADLINE_EXCEEDED": 1}
