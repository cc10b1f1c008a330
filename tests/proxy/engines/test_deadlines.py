"""Deadlines are passed on and only ever shrink."""

import asyncio

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.callers import caller
from tests.support.eventually import soon
from tests.support.models import echo, hangs, model
from tests.support.sidecars import fronted, route, service, sidecar

UNARY = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])

AFRESH = ("grpc.http2.hpack_table_size.encoder", 0)
"""A caller that writes each deadline anew; else gRPC core takes one from before that is up to 3 % longer."""


def just_below(digits: int, power: int) -> float:
    """A deadline that gRPC writes with three digits, rounded up: always to these."""
    return (digits - 0.3) * 10.0**power


TIMES = st.builds(just_below, st.integers(300, 999), st.integers(-3, 0))


@BOTH
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(deadlines=st.lists(TIMES, min_size=15, max_size=15), bound=st.none() | st.floats(0.5, 100.0))
async def test_never_grow_on_the_way(
    engine: str, method: str, deadlines: list[float], bound: float | None
) -> None:
    """gRPC rounds up to what its wire format holds: once more, and a call would outlive its caller."""
    bounded = {} if bound is None else {"timeout": f"{bound:.9f}s"}
    async with (
        fronted(engine, echo, route(weights={"v1": 1}, **bounded)) as (server, one, _call),
        caller(one.address, AFRESH) as call,
    ):
        for deadline in deadlines:
            assert (await call.unary(method, deadline=deadline)).ok

    for deadline, seen in zip(deadlines, server.calls, strict=True):
        most = deadline if bound is None else min(deadline, bound)
        assert seen.time_remaining is not None
        assert 0.97 * most - 0.2 < seen.time_remaining <= most


@BOTH
async def test_long_ones_never_grow_either(engine: str, method: str) -> None:
    """gRPC rounds those up to minutes or hours: what a direct call has is the measure."""
    deadlines = [1009.0, 3599.0, 5432.1, 84200.0, 442196.7, 999999.9]
    async with (
        fronted(engine) as (server, one, _call),
        caller(server.address, AFRESH) as direct,
        caller(one.address, AFRESH) as call,
    ):
        for deadline in deadlines:
            assert (await direct.unary(method, deadline=deadline)).ok
            assert (await call.unary(method, deadline=deadline)).ok

    for straight, carried in zip(server.calls[::2], server.calls[1::2], strict=True):
        assert straight.time_remaining is not None
        assert carried.time_remaining is not None
        assert 0.97 * straight.time_remaining < carried.time_remaining < straight.time_remaining


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


async def test_a_deadline_that_was_written_a_little_longer_is_counted_as_one(engine: str) -> None:
    """gRPC core repeats what it wrote for a call before, where that is up to 3 % longer."""
    async with fronted(engine, hangs) as (_server, one, call):
        await call.unary(UNARY, deadline=0.99)
        replies = await asyncio.gather(*(call.unary(UNARY, deadline=0.968) for _ in range(5)))
        await one.until_idle()

    assert {reply.code for reply in replies} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert one.codes("v1") == {"DEADLINE_EXCEEDED": 6}


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
