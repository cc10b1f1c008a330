"""What passes unchanged that only a close look shows: each was lost by some proxy before."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from tests.support.callers import OPTIONS, caller
from tests.support.http2 import recording
from tests.support.models import Received, fails
from tests.support.sidecars import fronted, service, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])

IN_TURN = (("x-b", "1"), ("x-a", "2"), ("x-b", "3"), ("x-a-bin", b"4"), ("x-a", "5"))


async def in_a_thread(address: str, method: str, metadata: Any = (), **options: Any) -> bytes:
    """A call by gRPC's other Python client, which sends metadata as it is given."""

    def call() -> bytes:
        arguments = (*OPTIONS, *((f"grpc.{key}", value) for key, value in options.items()))
        with grpc.insecure_channel(address, options=arguments) as channel:
            answer: bytes = channel.unary_unary(method)(b"x", metadata=metadata, timeout=30)
            return answer

    return await asyncio.to_thread(call)


@BOTH
@pytest.mark.differs("order of keys")
async def test_metadata_of_different_keys_stays_in_turn(engine: str, method: str) -> None:
    async with fronted(engine) as (server, one, _call):
        await in_a_thread(one.address, method, IN_TURN)

    assert tuple(pair for pair in server.calls[0].metadata if pair in IN_TURN) == IN_TURN


@BOTH
@pytest.mark.differs("user-agent")
async def test_the_callers_user_agent_passes(engine: str, method: str) -> None:
    async with fronted(engine) as (server, one, _call):
        for address in (server.address, one.address):
            await in_a_thread(address, method, primary_user_agent="shop/1.0")

    straight, carried = (call.values("user-agent") for call in server.calls)
    assert carried == straight


@contextlib.contextmanager
def authorities() -> Iterator[tuple[str, list[str]]]:
    """A server that notes each call's `:authority`; grpc.aio's does not show it."""
    seen: list[str] = []

    class AnyMethod(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc's base class is Any to mypy
        def service(self, handler_call_details: Any) -> Any:
            del handler_call_details

            def answer(request: bytes, context: Any) -> bytes:
                seen.append(context._rpc_event.call_details.host.decode())  # has no public name
                return request

            return grpc.unary_unary_rpc_method_handler(answer)

    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool, options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers((AnyMethod(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}", seen
        finally:
            server.stop(0).wait()


@BOTH
@pytest.mark.differs("authority")
async def test_the_callers_authority_passes(engine: str, method: str) -> None:
    with authorities() as (address, seen):
        async with sidecar(engine, service({"v1": address})) as one:
            await in_a_thread(one.address, method, default_authority="models.example")

    assert seen == ["models.example"]


@BOTH
@pytest.mark.differs("compression")
async def test_a_compressed_message_stays_compressed(engine: str, method: str) -> None:
    async with recording() as server:
        what = service({"v1": server.address})
        async with sidecar(engine, what) as one, caller(one.address) as call:
            request = b"again and again " * 100
            pending = call.channel.unary_unary(method)(request, compression=grpc.Compression.Gzip)
            data = await server.first_data()
            pending.cancel()
            await one.until_idle()

    compressed, length = data[0], int.from_bytes(data[1:5], "big")
    assert (compressed, length < len(request)) == (1, True)


@pytest.mark.parametrize(
    "method", [STREAM, pytest.param(UNARY, marks=pytest.mark.differs("early metadata of unary calls"))]
)
async def test_initial_metadata_comes_while_the_model_still_works(engine: str, method: str) -> None:
    answered = asyncio.Event()

    async def behave(call: Received) -> None:
        await call.read()
        await call.begin(("x-model", "working"))
        await answered.wait()
        await call.write(b"done")

    async with fronted(engine, behave) as (_server, _one, call):
        pending = call.channel.unary_stream(method)(b"")  # gRPC's own unary call would not see it early
        is_early = True
        try:
            async with asyncio.timeout(0.5 if (engine, method) == ("grpc-aio", UNARY) else 20):
                await asyncio.shield(pending.initial_metadata())
        except TimeoutError:
            is_early = False
        answered.set()
        assert await pending.read() == b"done"
        assert (await pending.initial_metadata())["x-model"] == "working"

    assert is_early


@pytest.mark.differs("empty headers")
async def test_headers_without_a_key_stay_headers(engine: str) -> None:
    async def behave(call: Received) -> None:
        await call.begin()
        call.end(grpc.StatusCode.NOT_FOUND, "no such model")

    async with fronted(engine, behave) as (_server, _one, call):
        replies = [await call.unary(STREAM) for _ in range(10)]

    where = {("x-understudy-variant", "v1") in reply.initial for reply in replies}
    assert where == {True}


@BOTH
@pytest.mark.differs("text of a lost connection")
async def test_a_model_servers_own_unavailable_passes(engine: str, method: str) -> None:
    server_says = fails(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    async with fronted(engine, server_says) as (_server, _one, call):
        reply = await call.unary(method)

    assert (reply.code, reply.details, reply.error) == (grpc.StatusCode.UNAVAILABLE, "Socket closed", "")


@BOTH
async def test_what_a_model_server_calls_unavailable_otherwise_passes(engine: str, method: str) -> None:
    server_says = fails(grpc.StatusCode.UNAVAILABLE, "loading the model")
    async with fronted(engine, server_says) as (_server, _one, call):
        reply = await call.unary(method)

    assert (reply.code, reply.details) == (grpc.StatusCode.UNAVAILABLE, "loading the model")
    assert reply.error == ""
