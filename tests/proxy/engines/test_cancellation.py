"""A call that its caller gives up is given up at the model server, and leaves nothing behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.callers import Caller
from tests.support.eventually import soon
from tests.support.models import Behaviour, Received, hangs
from tests.support.sidecars import fronted

UNARY = "/inference.GRPCInferenceService/ModelInfer"
UNKNOWN = "/any.Service/Method"
CALLS = 100


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
    ("method", "start", "behaviour", "until"),
    [
        (UNARY, unary, hangs, begun),
        (UNKNOWN, unary, hangs, begun),
        (UNKNOWN, one_request, hangs, begun),
        (UNKNOWN, one_request, after_headers, with_headers),
        (UNKNOWN, bidirectional, hangs, with_a_request),
        (UNKNOWN, bidirectional, after_headers, with_headers),
        (UNKNOWN, bidirectional, after_an_answer, with_an_answer),
    ],
)
async def test_every_cancellation_reaches_the_model_server(
    engine: str,
    method: str,
    start: Callable[[Caller, str], Any],
    behaviour: Behaviour,
    until: Callable[[Any], Awaitable[None]],
) -> None:
    async with fronted(engine, behaviour) as (server, one, call):
        calls = [start(call, method) for _ in range(CALLS)]
        for pending in calls:
            await until(pending)
        seen = [await server.next_call() for _ in range(CALLS)]
        for pending in calls:
            pending.cancel()
        for received in seen:
            await soon(received.cancelled)
        await one.until_idle()

    assert one.codes("v1") == {"CANCELLED": CALLS}


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
        for received in server.calls:
            await soon(received.cancelled)
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
