"""Connections that stop, or break off, in the middle of TLS's handshake or after it."""

import asyncio
import contextlib
import pathlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator

import pytest

from proxy.engines.engine import Listening
from proxy.engines.grpc_aio import options
from proxy.engines.relay import callers, overdue
from proxy.engines.relay.engine import RelayEngine
from proxy.engines.sockets import connections
from tests.support.callers import Caller, caller
from tests.support.certificates import Authority, caller_credentials, client
from tests.support.eventually import eventually
from tests.support.models import model
from tests.support.sidecars import Sidecar, route, service, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
MANY = 30


@contextlib.asynccontextmanager
async def served(engine: str, tmp_path: pathlib.Path) -> AsyncIterator[tuple[Sidecar, Caller, Authority]]:
    authority = Authority(tmp_path)
    async with model() as server:
        what, listening = service({"v1": server.address}), Listening(tls=authority.pair("sidecar").files())
        async with (
            sidecar(engine, what, listening=listening) as one,
            caller(one.address, credentials=caller_credentials(authority.ca)) as call,
        ):
            yield one, call, authority


def port_of(one: Sidecar) -> int:
    return int(one.address.rpartition(":")[2])


async def opened(one: Sidecar, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(one))
    writer.write(said)
    return reader, writer


def hello(authority: Authority) -> bytes:
    """What a client says first."""
    outgoing = ssl.MemoryBIO()
    handshake = client(authority.ca).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


async def test_handshakes_that_do_not_go_on_are_ended(
    engine: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given little patience
    monkeypatch.setattr(options, "HANDSHAKE", 0.5)
    monkeypatch.setattr(overdue, "GREETING", 0.5)
    monkeypatch.setattr(callers, "EVERY", 0.05)
    async with served(engine, tmp_path) as (one, call, authority):
        assert (await call.unary(UNARY, b"x")).ok
        # when many begin, and stop at once, in the midst of the first message, or after it
        whole = hello(authority)
        begun = [await opened(one, said) for said in (b"", whole[:50], whole) for _ in range(MANY)]
        # then each is closed, and a caller is served
        async with asyncio.timeout(60):
            for reader, writer in begun:
                await reader.read()
                writer.close()
        await eventually(lambda: connections(port_of(one)) == 1)
        assert (await call.unary(UNARY, b"x")).ok


async def test_connections_that_break_off_anywhere_are_forgotten(engine: str, tmp_path: pathlib.Path) -> None:
    async with served(engine, tmp_path) as (one, call, authority):
        assert (await call.unary(UNARY, b"x")).ok
        whole = hello(authority)
        for said in (b"", b"\x16", whole[:50], whole, b"GET / HTTP/1.1\r\n\r\n", bytes(1000)):
            for is_reset in (False, True):
                _, writer = await opened(one, said)
                await leave(writer, is_reset=is_reset)
        for is_reset in (False, True):
            context = client(authority.ca)
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port_of(one), ssl=context, ssl_shutdown_timeout=0.1
            )
            writer.write(b"PRI * HTTP/2.0\r\n")
            await leave(writer, is_reset=is_reset)
        await eventually(lambda: connections(port_of(one)) == 1)
        assert (await call.unary(UNARY, b"x")).ok


async def leave(writer: asyncio.StreamWriter, *, is_reset: bool) -> None:
    """Close; without a word of TLS's, where by a reset."""
    with contextlib.suppress(OSError):
        await writer.drain()
        if is_reset:
            one: socket.socket = writer.get_extra_info("socket")
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()
        await writer.wait_closed()


async def test_a_handshake_counts_as_a_connection(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "MOST", 5)
    async with served("relay", tmp_path) as (one, call, authority):
        assert isinstance(one.engine, RelayEngine)
        assert (await call.unary(UNARY, b"x")).ok
        begun = [await opened(one, hello(authority)) for _ in range(10)]
        # then the first of them, idle for longest, have made room for the last
        for reader, _ in begun[:5]:
            await reader.read()
        assert len(one.engine._callers.open) == 5
        assert (await call.unary(UNARY, b"x")).ok
        for _, writer in begun:
            writer.close()


async def test_a_drain_ends_handshakes_too(engine: str, tmp_path: pathlib.Path) -> None:
    async with served(engine, tmp_path) as (one, call, authority):
        assert (await call.unary(UNARY, b"x")).ok
        begun = [await opened(one, hello(authority)) for _ in range(3)]
    for _, writer in begun:
        writer.close()


@contextlib.asynccontextmanager
async def breaking(said: bytes, *, is_reset: bool, waits: bool) -> AsyncIterator[str]:
    """A model server that says something of its own, if it is spoken to or at once, and leaves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if waits:
            await reader.read(100)
        writer.write(said)
        await leave(writer, is_reset=is_reset)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


ALERT = bytes([21, 3, 3, 0, 2, 2, 40])  # handshake_failure


@pytest.mark.parametrize(
    "said", [b"", b"\x16\x03\x03", ALERT, bytes(1000), b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_model_server_that_breaks_off_is_one_without_a_connection(
    engine: str, said: bytes, *, is_reset: bool, waits: bool, tmp_path: pathlib.Path
) -> None:
    authority = Authority(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        broken = await stack.enter_async_context(breaking(said, is_reset=is_reset, waits=waits))
        server = await stack.enter_async_context(model())
        what = service({"v1": server.address, "v2": broken}, route(weights={"v2": 1}))
        what.variants[1].tls.ca = str(authority.ca)
        one = await stack.enter_async_context(sidecar(engine, what))
        call = await stack.enter_async_context(caller(one.address))
        await one.until_dead("v2")
        assert (await call.unary(UNARY, b"x")).variant == "v1"
