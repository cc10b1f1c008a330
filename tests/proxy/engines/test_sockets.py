"""The listeners of a port: which are ours, and how another process takes over from them."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from proxy.engines.sockets import connections, hand_over, listeners

OTHER = """
import socket, sys
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
one.bind(("127.0.0.1", int(sys.argv[1])))
one.listen(512)
print("listening", flush=True)
taken = []
while True:
    taken.append(one.accept()[0])
    taken[-1].sendall(b"other")
"""


@contextlib.contextmanager
def listener(port: int = 0) -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", port))
        one.listen(512)
        yield one


@contextlib.asynccontextmanager
async def another(port: int) -> AsyncIterator[None]:
    """A process that listens on the port, too, and greets whoever connects."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER, str(port), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"listening\n"
        yield
    finally:
        process.kill()
        await process.wait()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks first and stays, as a gRPC server does."""
    writer.write(b"own")
    await reader.read()
    writer.close()


async def greeting(port: int) -> bytes:
    """What a new connection is told; nothing where it is reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(60):
            return await reader.read(5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_finds_its_own_sockets_whoever_made_them() -> None:
    with listener() as one, socket.create_connection(one.getsockname()):
        port = one.getsockname()[1]
        assert connections(port) == 0
        accepted = one.accept()[0]
        (found,) = listeners(port)
        assert found.getsockname() == one.getsockname()
        assert found.fileno() != one.fileno()
        assert connections(port) == 1
        accepted.close()
        assert connections(port) == 0
        found.close()


async def test_nobody_else_listens() -> None:
    with listener() as one:
        port = one.getsockname()[1]
        async with await asyncio.start_server(greet, sock=one.dup()):
            assert not await hand_over(port)
            assert await greeting(port) == b"own"


@pytest.mark.parametrize("ours_first", [True, False])
async def test_every_new_connection_goes_to_the_other_and_none_is_reset(ours_first: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        reserved = stack.enter_context(socket.socket())
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))  # never listens: it only keeps the port
        port = reserved.getsockname()[1]
        if not ours_first:
            await stack.enter_async_context(another(port))
        ours = stack.enter_context(listener(port))
        server = await stack.enter_async_context(await asyncio.start_server(greet, sock=ours.dup()))
        if ours_first:
            await stack.enter_async_context(another(port))
        assert await hand_over(port)
        during = [await greeting(port) for _ in range(100)]
        server.close()
        ours.close()
        after = [await greeting(port) for _ in range(20)]

    assert set(during) == {b"other"}
    assert set(after) == {b"other"}


async def test_a_listener_that_takes_no_connection_is_no_successor() -> None:
    """As a process that hangs: it would leave every caller waiting."""

    with listener() as one, listener(one.getsockname()[1]):
        port = one.getsockname()[1]
        async with await asyncio.start_server(greet, sock=one.dup()):
            assert not await hand_over(port)
