"""Messages pass as they are: any size, any number, in either direction, at any time."""

import asyncio

import grpc
import pytest

from tests.support.callers import caller
from tests.support.eventually import soon
from tests.support.models import Received, echo, model
from tests.support.sidecars import fronted, route, service, sidecar

UNKNOWN = "/any.Service/Method"
OURS = "/understudy.v1.PredictionService/Predict"
V2 = "/inference.GRPCInferenceService/ModelInfer"
V2_STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
EVERY = (UNKNOWN, OURS, V2, V2_STREAM)
STREAMING = (UNKNOWN, V2_STREAM)
SIZES = (0, 1, 16383, 16384, 16385, 4 * 1024 * 1024 + 1)


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("size", SIZES)
async def test_one_message_each_way(engine: str, method: str, size: int) -> None:
    request = bytes(index % 251 for index in range(min(size, 65521))) * (size // 65521 + 1)
    async with fronted(engine) as (server, _one, call):
        reply = await call.unary(method, request[:size])

    assert (reply.code, reply.message) == (grpc.StatusCode.OK, request[:size])
    assert server.calls[0].method == method
    assert server.calls[0].messages == [request[:size]]


@pytest.mark.parametrize("method", [UNKNOWN, V2])
async def test_a_message_of_64_mib(engine: str, method: str) -> None:
    request = b"\0\1\2\3" * (16 * 1024 * 1024)
    async with fronted(engine) as (_server, _one, call):
        reply = await call.unary(method, request)

    assert reply.ok
    assert reply.message == request


@pytest.mark.parametrize("method", STREAMING)
async def test_many_requests_one_answer(engine: str, method: str) -> None:
    async def join(call: Received) -> None:
        await call.write(b"|".join(await call.read_all()))

    requests = [b"%d" % number for number in range(50)]
    async with fronted(engine, join) as (server, _one, call):
        reply = await call.exchange(method, requests)

    assert reply.message == b"|".join(requests)
    assert server.calls[0].half_closed


@pytest.mark.parametrize("method", STREAMING)
async def test_one_request_many_answers(engine: str, method: str) -> None:
    async def count(call: Received) -> None:
        await call.read_all()
        for number in range(50):
            await call.write(b"%d" % number)

    async with fronted(engine, count) as (_server, _one, call):
        reply = await call.exchange(method, [b""])

    assert reply.ok
    assert list(reply.messages) == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("method", STREAMING)
async def test_no_message_either_way(engine: str, method: str) -> None:
    async def silent(call: Received) -> None:
        await call.read_all()

    async with fronted(engine, silent) as (server, _one, call):
        reply = await call.exchange(method, [])

    assert reply.ok
    assert reply.messages == ()
    assert server.calls[0].messages == []
    assert server.calls[0].half_closed


@pytest.mark.parametrize("method", STREAMING)
async def test_question_and_answer_in_turn(engine: str, method: str) -> None:
    async with fronted(engine) as (_server, _one, call):
        stream = call.stream(method)
        for number in range(20):
            await stream.write(b"%d" % number)
            assert await stream.read() == b"%d" % number
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("method", STREAMING)
async def test_the_half_close_passes_while_answers_are_still_to_come(engine: str, method: str) -> None:
    half_closed = asyncio.Event()

    async def behave(call: Received) -> None:
        await call.read_all()
        half_closed.set()
        await call.write(b"after the half-close")

    async with fronted(engine, behave) as (_server, _one, call):
        stream = call.stream(method)
        await stream.write(b"1")
        await stream.write(b"2")
        assert not half_closed.is_set()
        await stream.done_writing()
        assert await stream.read() == b"after the half-close"
        assert await stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("method", STREAMING)
async def test_initial_metadata_comes_before_any_message(engine: str, method: str) -> None:
    """A caller may wait for it before it sends anything."""

    async def behave(call: Received) -> None:
        await call.begin(("x-model", "ready"))
        await echo(call)

    async with fronted(engine, behave) as (_server, _one, call):
        stream = call.stream(method)
        async with asyncio.timeout(60):
            initial = await stream.initial_metadata()
        assert initial["x-model"] == "ready"
        await stream.write(b"now")
        assert await stream.read() == b"now"
        await stream.done_writing()
        assert await stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("method", STREAMING)
async def test_a_server_may_speak_first(engine: str, method: str) -> None:
    async def behave(call: Received) -> None:
        await call.write(b"hello")
        await echo(call)

    async with fronted(engine, behave) as (_server, _one, call):
        stream = call.stream(method)
        assert await stream.read() == b"hello"
        await stream.done_writing()
        assert await stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("method", STREAMING)
async def test_an_answer_before_the_caller_is_done_ends_the_call(engine: str, method: str) -> None:
    async def early(call: Received) -> None:
        await call.read()
        await call.write(b"enough")
        call.end(grpc.StatusCode.OK, "", ("x-why", "early"))

    async with fronted(engine, early) as (server, one, call):
        stream = call.stream(method)
        await stream.write(b"1")
        assert await stream.read() == b"enough"
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK
        assert (await stream.trailing_metadata())["x-why"] == "early"
        await soon(server.calls[0].ended)
        await one.until_idle()


async def test_the_answers_of_a_stream_arrive_as_they_are_sent(engine: str) -> None:
    """The next is sent only after the caller has confirmed the one before."""
    released = asyncio.Semaphore(0)

    async def behave(call: Received) -> None:
        await call.read_all()
        for number in range(3):
            await call.write(b"%d" % number)
            await released.acquire()

    async with fronted(engine, behave) as (_server, _one, call):
        stream = call.stream(UNKNOWN)
        await stream.write(b"")
        await stream.done_writing()
        for number in range(3):
            assert await stream.read() == b"%d" % number
            released.release()
        assert await stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("method", [UNKNOWN, OURS])
async def test_a_compressed_message_arrives(engine: str, method: str) -> None:
    async with fronted(engine) as (server, _one, call):
        request = b"again and again " * 1000
        pending = call.channel.unary_unary(method)(request, compression=grpc.Compression.Gzip)
        assert await pending == request

    assert server.calls[0].messages == [request]


async def test_any_method_of_any_service_is_carried(engine: str) -> None:
    methods = ["/grpc.health.v1.Health/Check", "/a.B/C", "/x/y", "/inference.GRPCInferenceService/ServerLive"]
    routed = service({"v1": "placeholder:1"}, route(weights={"v1": 1}))
    async with model() as server:
        routed.variants[0].target = server.address
        async with sidecar(engine, routed) as one, caller(one.address) as call:
            replies = [await call.unary(method, b"x") for method in methods]

    assert all(reply.ok for reply in replies)
    assert [call.method for call in server.calls] == methods
