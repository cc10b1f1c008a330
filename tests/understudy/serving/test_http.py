"""The embedded HTTP door: real sockets on port 0."""

import asyncio
import os
import signal
import socket
import urllib.request

import pytest
from understudy.serving.addresses import parse_address
from understudy.serving.http import HttpServer, bind


async def hello(scope, _, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def fetch(address: str, path: str = "/x") -> tuple[bytes, str | None]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}{path}", timeout=10) as response:
        return response.read(), response.headers["server"]


async def test_it_serves_where_it_says_until_it_is_stopped():
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        server = HttpServer(hello, "127.0.0.1:0")
        address = await server.start(tasks)
        body, name = await asyncio.to_thread(fetch, address)
        await server.stop()
    assert (body, name) == (b"/x", None)
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(fetch, address)


async def test_it_serves_on_ipv6():
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        server = HttpServer(hello, "[::1]:0")
        address = await server.start(tasks)
        assert address.startswith("[::1]:")
        assert (await asyncio.to_thread(fetch, address))[0] == b"/x"
        await server.stop()


async def test_a_taken_port_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with asyncio.TaskGroup() as tasks:
            server = HttpServer(hello, f"127.0.0.1:{taken.getsockname()[1]}")
            with pytest.raises(OSError, match="Address already in use"):
                await server.start(tasks)
            await server.stop()


async def test_an_unknown_host_is_an_error_too():
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(OSError, match=r"not known|resolution|No address"):
            await HttpServer(hello, "no-such-host.invalid:0").start(tasks)


async def test_stopping_at_once_after_the_start_ends():
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        server = HttpServer(hello, "127.0.0.1:0")
        await server.start(tasks)
        await server.stop()


async def test_an_idle_connection_does_not_hold_the_stop_up():
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        server = HttpServer(hello, "127.0.0.1:0")
        reader, writer = await asyncio.open_connection(*parse_address(await server.start(tasks)))
        writer.write(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(5):
            await server.stop()
        writer.close()


async def test_an_app_that_fails_answers_500_and_the_door_stays_open():
    async def app(scope, receive, send):
        if scope["path"] == "/bad":
            raise RuntimeError("bad")
        await hello(scope, receive, send)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        server = HttpServer(app, "127.0.0.1:0")
        address = await server.start(tasks)
        with pytest.raises(urllib.error.HTTPError, match="500"):
            await asyncio.to_thread(fetch, address, "/bad")
        assert (await asyncio.to_thread(fetch, address))[0] == b"/x"
        await server.stop()


async def test_signals_stay_with_the_process():
    got = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, got.set)
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            server = HttpServer(hello, "127.0.0.1:0")
            address = await server.start(tasks)
            await asyncio.to_thread(fetch, address)
            os.kill(os.getpid(), signal.SIGTERM)
            await got.wait()
            assert (await asyncio.to_thread(fetch, address))[0] == b"/x"
            await server.stop()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


def test_a_bound_socket_is_listening_and_does_not_block():
    with bind("127.0.0.1:0") as listener:
        assert listener.getblocking() is False
        with socket.create_connection(listener.getsockname(), timeout=5):
            pass
