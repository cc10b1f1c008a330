"""A call that its caller gives up is given up at the model server, and leaves nothing behind."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.callers import Caller, caller
from tests.support.eventually import eventually, soon
from tests.support.models import Behaviour, Model, Received, echo, hangs
from tests.support.sidecars import fronted, service, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
UNKNOWN = "/any.Service/Method"


async def after_headers(call: Received) -> None:
    await call.begin()
    await call.read()
    await asyncio.Event().wait()


async def after_an_answer(call: Received) -> None:
    await call.read()
    await call.write(b"first")
    await asyncio.Event().wait()


def unary(call: Caller, method: str) -> Any:
    return call.channel.unary_unary(method)(b"x")


def one_request(call: Caller, method: str) -> Any:
    return call.channel.unary_stream(method)(b"x")


def bidirectional(call: Caller, method: str) -> Any:
    return call.channel.stream_stream(method)()


async def begun(call: Any) -> None:
    del call


async def with_headers(call: Any) -> None:
    await call.initial_metadata()


async def with_a_request(call: Any) -> None:
    await call.write(b"x")


async def with_an_answer(call: Any) -> None:
    await call.write(b"x")
    await call.read()


@pytest.mark.parametrize(
    ("method", "start", "behaviour", "until", "count"),
    [
        (UNARY, unary, hangs, begun, 1000),
        (UNKNOWN, unary, hangs, begun, 100),
        (UNKNOWN, one_request, hangs, begun, 100),
        (UNKNOWN, one_request, after_headers, with_headers, 1000),
        (UNKNOWN, bidirectional, hangs, with_a_request, 100),
        (UNKNOWN, bidirectional, after_headers, with_headers, 1000),
        (UNKNOWN, bidirectional, after_an_answer, with_an_answer, 100),
    ],
)
async def test_every_cancellation_reaches_the_model_server(
    engine: str,
    method: str,
    start: Callable[[Caller, str], Any],
    behaviour: Behaviour,
    until: Callable[[Any], Awaitable[None]],
    count: int,
) -> None:
    async with fronted(engine, behaviour) as (server, one, call):
        calls = [start(call, method) for _ in range(count)]
        for pending in calls:
            await until(pending)
        seen = [await server.next_call() for _ in range(count)]
        for pending in calls:
            pending.cancel()
        for received in seen:
            await soon(received.cancelled)
        await one.until_idle()

    assert one.codes("v1") == {"CANCELLED": count}


@pytest.mark.parametrize(("method", "start"), [(UNARY, unary), (UNKNOWN, one_request), (UNKNOWN, unary)])
async def test_a_call_given_up_while_its_model_server_is_connected_to_never_arrives(
    engine: str, method: str, start: Callable[[Caller, str], Any]
) -> None:
    """The connection stands as far as the kernel goes; no frame has come from the model server yet."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with sidecar(engine, None) as one, caller(one.address) as call:
            one.apply(service({"v1": address}))
            calls = [start(call, method) for _ in range(100)]
            await eventually(lambda: one.calls.in_flight == 100)
            for pending in calls:
                pending.cancel()
            await one.until_idle()
            silent.close()
            server = Model(echo)
            await server.start(address)
            await one.until_live("v1")
            assert (await call.unary(method, b"later")).message == b"later"
            await server.kill()

    assert one.codes("v1") == {"CANCELLED": 100, "OK": 1}
    assert [received.messages for received in server.calls] == [[b"later"]]


async def test_a_stream_in_full_flow_is_given_up(engine: str) -> None:
    async def flows(call: Received) -> None:
        await call.read()
        while True:
            await call.write(b"x" * 1000)

    async with fronted(engine, flows) as (server, one, call):
        calls = [start(call, UNKNOWN) for start in (one_request, bidirectional) for _ in range(10)]
        for pending in calls[10:]:
            await pending.write(b"x")
        for pending in calls:
            await pending.read()
            pending.cancel()
        # A write that fails may end it before it is cancelled. It is the server's word that counts: what the
        # behaviour hears of it in the middle of a write is grpc.aio's affair.
        await eventually(
            lambda: all(each.ended.is_set() or each.context.cancelled() for each in server.calls)
        )
        await one.until_idle()

    assert one.codes("v1") == {"CANCELLED": 20}


async def test_a_caller_that_vanishes_cancels_its_calls(engine: str) -> None:
    async with fronted(engine, hangs) as (server, one, call):
        calls = [start(call, UNKNOWN) for start in (unary, one_request) for _ in range(10)]
        seen = [await server.next_call() for _ in calls]
        await call.channel.close()
        for received in seen:
            await soon(received.cancelled)
        await one.until_idle()

    assert one.codes("v1") == {"CANCELLED": 20}


async def test_a_call_given_up_before_it_was_sent_on_leaves_nothing(engine: str) -> None:
    async with fronted(engine) as (server, one, call):
        for start in (unary, one_request, bidirectional):
            for _ in range(30):
                start(call, UNKNOWN).cancel()
        assert (await call.unary(UNARY, b"still here")).message == b"still here"
        await one.until_idle()

    assert all(received.ended.is_set() for received in server.calls)
