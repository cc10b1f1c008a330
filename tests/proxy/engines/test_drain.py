"""A drain lets the calls in flight end, and then everything is over."""

import asyncio

import grpc
import pytest
from understudy.serving.failure import CannotStart

from proxy.engines.engine import Listening
from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.models import echo, fails, hangs, model, waits_for
from tests.support.sidecars import fronted, route, service, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"


async def test_calls_in_flight_end_as_if_nothing_was(engine: str) -> None:
    released = asyncio.Event()
    async with fronted(engine, waits_for(released)) as (server, one, call), asyncio.TaskGroup() as tasks:
        pending = [
            tasks.create_task(call.unary(method, b"%d" % number))
            for number, method in enumerate([UNARY, STREAM] * 10)
        ]
        await eventually(lambda: len(server.calls) == 20)
        draining = tasks.create_task(one.engine.drain(10.0))
        await asyncio.sleep(0)
        assert not draining.done()
        released.set()

    replies = [task.result() for task in pending]
    assert all(reply.ok for reply in replies), replies
    assert [reply.message for reply in replies] == [b"%d" % number for number in range(20)]


async def test_failing_calls_in_flight_keep_their_status(engine: str) -> None:
    released = asyncio.Event()
    failing = waits_for(released, fails(grpc.StatusCode.NOT_FOUND, "no such model"))
    async with fronted(engine, failing) as (server, one, call), asyncio.TaskGroup() as tasks:
        pending = [tasks.create_task(call.unary(method)) for method in [UNARY, STREAM] * 10]
        await eventually(lambda: len(server.calls) == 20)
        tasks.create_task(one.engine.drain(10.0))
        released.set()

    assert {task.result().code for task in pending} == {grpc.StatusCode.NOT_FOUND}


async def test_a_call_that_does_not_end_is_cut_after_the_timeout(engine: str) -> None:
    async with fronted(engine, hangs) as (server, one, call):
        async with asyncio.timeout(15):
            pending = call.channel.unary_unary(UNARY)(b"")
            await server.next_call()
            await one.engine.drain(0.1)
            assert await pending.code() is not grpc.StatusCode.OK


async def test_callers_are_told_to_go_while_there_is_time_for_their_calls(engine: str) -> None:
    """However far off the age is at which their connections would have made way."""
    released = asyncio.Event()
    hour = Listening(max_connection_age=3600.0)
    async with (
        fronted(engine, waits_for(released), listening=hour) as (server, one, call),
        asyncio.TaskGroup() as tasks,
    ):
        pending = tasks.create_task(call.unary(UNARY, b"x"))
        await server.next_call()
        tasks.create_task(one.engine.drain(4.0))
        await call.channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        released.set()

    assert pending.result().ok


async def test_copies_in_flight_hold_nothing_up(engine: str) -> None:
    mirrors = [{"variant": "v2", "percent": 100, "deadline": "60s"}]
    async with model() as first, model(hangs) as second:
        what = service({"v1": first.address, "v2": second.address}, route(weights={"v1": 1}, mirrors=mirrors))
        async with asyncio.timeout(60), sidecar(engine, what) as one, caller(one.address) as call:
            for method in (UNARY, STREAM):
                assert (await call.unary(method)).ok
            await eventually(lambda: len(second.calls) == 2)

    assert one.outcomes("v2") == {"cancelled": 2}
    assert one.mirrors.bytes_held == 0


async def test_copies_that_streams_leave_while_all_ends_are_counted(engine: str) -> None:
    """Some are at the shadow when the drain begins, some go there as the last streams end."""
    released = asyncio.Event()
    mirrors = [{"variant": "v2", "percent": 100, "deadline": "60s"}]
    async with model(waits_for(released)) as first, model(hangs) as second:
        what = service({"v1": first.address, "v2": second.address}, route(weights={"v1": 1}, mirrors=mirrors))
        async with (
            asyncio.timeout(60),
            sidecar(engine, what) as one,
            caller(one.address) as call,
            asyncio.TaskGroup() as tasks,
        ):
            pending = [tasks.create_task(call.exchange(STREAM, [b"a", b"b"])) for _ in range(5)]
            await eventually(lambda: len(first.calls) == 5)
            first.behaviour = echo
            assert (await call.exchange(STREAM, [b"a", b"b"])).ok
            await eventually(lambda: len(second.calls) == 1)
            tasks.create_task(one.engine.drain(10.0))
            released.set()

    assert all(task.result().messages == (b"a", b"b") for task in pending)
    assert one.ledger.totals.mirror_seen["v2"] == sum(one.outcomes("v2").values()) == 6
    assert set(one.outcomes("v2")) <= {"cancelled", "unreachable"}
    assert one.mirrors.bytes_held == 0


async def test_a_taken_port_is_one_line(engine: str) -> None:
    async with model() as server:
        with pytest.raises(ExceptionGroup) as caught:
            async with sidecar(engine, None, listen=server.address):
                pass

    (error,) = caught.value.exceptions
    assert isinstance(error, CannotStart)
    assert str(error) == f"listen: {server.address} cannot be had; is it taken?"
