"""The listeners of a port: another process takes over from them, and no connection is reset."""

import asyncio
import contextlib
import pathlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from proxy.engines.steering import _attach, _program, hand_over, settle
from proxy.workers.place import Place

OTHER = """
import os, socket, sys
if len(sys.argv) > 2:
    open(os.path.join(sys.argv[2], f"{os.getpid()}.sock"), "w").close()
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
one.bind(("127.0.0.1", int(sys.argv[1])))
one.listen(512)
print("listening", flush=True)
taken = []
while True:
    taken.append(one.accept()[0])
    taken[-1].sendall(str(os.getpid()).encode())
"""

STALLED = """
import socket, sys, time
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
one.bind(("127.0.0.1", int(sys.argv[1])))
one.listen(512)
print("listening", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def listener(port: int = 0) -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", port))
        one.listen(512)
        yield one


@contextlib.asynccontextmanager
async def another(port: int, *family: str, program: str = OTHER) -> AsyncIterator[bytes]:
    """A process that listens on the port, too, and tells whoever connects its name."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(port), *family), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"listening\n"
        yield str(process.pid).encode()
    finally:
        process.kill()
        await process.wait()


@contextlib.contextmanager
def held() -> Iterator[int]:
    """A port that is kept by a socket that never listens."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks first and stays, as a gRPC server does."""
    writer.write(b"own")
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()


async def greeting(port: int) -> bytes:
    """What a new connection is told; nothing where it is reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(60):
            return await reader.read(9)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_nobody_else_listens() -> None:
    with listener() as one:
        port = one.getsockname()[1]
        async with await asyncio.start_server(greet, sock=one.dup()):
            assert not await hand_over(port)
            assert await greeting(port) == b"own"


@pytest.mark.parametrize("others", [1, 3])
@pytest.mark.parametrize("ours_first", [True, False])
async def test_every_new_connection_goes_to_the_others_and_none_is_reset(
    ours_first: bool, others: int
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        port = stack.enter_context(held())
        names = set()
        if not ours_first:
            names = {await stack.enter_async_context(another(port)) for _ in range(others)}
        ours = stack.enter_context(listener(port))
        server = await stack.enter_async_context(await asyncio.start_server(greet, sock=ours.dup()))
        if ours_first:
            names = {await stack.enter_async_context(another(port)) for _ in range(others)}
        assert await hand_over(port)
        during = [await greeting(port) for _ in range(100)]
        server.close()
        ours.close()
        after = [await greeting(port) for _ in range(20)]

    assert set(during) == names  # each of them: at random
    assert set(after) <= names


async def test_other_workers_of_this_sidecar_are_no_successors(tmp_path: pathlib.Path) -> None:
    place = Place(0, 2, tmp_path)
    with held() as port, listener(port) as ours:
        async with (
            await asyncio.start_server(greet, sock=ours.dup()),
            another(port, str(tmp_path)) as colleague,
        ):
            assert not await hand_over(port, place)
            found = {await greeting(port) for _ in range(100)}
            async with another(port) as successor:
                # it is decided once, whoever of them asks first
                assert not await hand_over(port, place)
                (tmp_path / "steered").unlink()
                assert await hand_over(port, place)
                steered = {await greeting(port) for _ in range(50)}

    assert found == {b"own", colleague}
    assert steered == {successor}


async def test_the_kernel_picks_by_itself_again_when_the_old_sidecar_is_gone(tmp_path: pathlib.Path) -> None:
    """What the old one attached would leave one of two new workers without callers."""
    place = Place(0, 2, tmp_path)
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        port = stack.enter_context(held())
        async with another(port):  # the old sidecar
            ours = stack.enter_context(listener(port))
            await stack.enter_async_context(await asyncio.start_server(greet, sock=ours.dup()))
            colleague = await stack.enter_async_context(another(port, str(tmp_path)))
            _attach(ours, _program([1]))
            assert {await greeting(port) for _ in range(50)} == {b"own"}
            settling = tasks.create_task(settle(port, place))
            await asyncio.sleep(0)
            assert not settling.done()
        await settling
        assert {await greeting(port) for _ in range(100)} == {b"own", colleague}


async def test_a_listener_that_takes_no_connection_is_no_successor() -> None:
    """As a process that hangs: it would leave every caller waiting."""
    with held() as port, listener(port) as ours:
        async with (
            await asyncio.start_server(greet, sock=ours.dup()),
            another(port, program=STALLED),
        ):
            assert not await hand_over(port)
