"""One sidecar takes over from another on the same port, and no call is lost by it."""

import asyncio
import pathlib
import socket

import grpc
import pytest

from tests.support.callers import Caller, Reply, caller
from tests.support.eventually import eventually
from tests.support.models import echo, model, waits_for
from tests.support.processes import Proxy, proxy, sidecar_file
from tests.support.sidecars import ENGINES, service

OURS = "/understudy.v1.PredictionService/Predict"
UNKNOWN = "/any.Service/Method"

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def shared(directory: pathlib.Path, engine: str, target: str, **fields: object) -> pathlib.Path:
    """A file with which any number of sidecars listen on one free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    what = service({"v1": target})
    listen = f"127.0.0.1:{port}"
    return sidecar_file(directory, what, engine=engine, listen=listen, reuse_port=True, **fields)


async def carried(one: Proxy) -> int:
    """Calls that a sidecar says it has carried."""
    _, text = await one.get("status", "/metrics")
    values = [line.rpartition(" ")[2] for line in text.splitlines() if "requests_total{" in line]
    return int(sum(map(float, values)))


async def once(address: str) -> Reply:
    """A call over a connection of its own."""
    async with caller(address) as call:
        return await call.unary(OURS, b"x")


async def test_new_connections_go_to_the_successor_and_calls_in_flight_end(
    tmp_path: pathlib.Path, engine: str
) -> None:
    released = asyncio.Event()
    async with model(waits_for(released)) as server, asyncio.TaskGroup() as tasks:
        file = shared(tmp_path, engine, server.address)
        async with proxy(file) as old, caller(old.listening["data"]) as call:
            await old.until_ready()
            pending = [tasks.create_task(call.unary(method, b"x")) for method in [OURS, UNKNOWN] * 20]
            await eventually(lambda: len(server.calls) == 40)
            server.behaviour = echo
            async with proxy(file) as new:
                await new.until_ready()
                assert bool(new.logged("took the port over")) is (engine == "relay")
                old.terminate()
                while not old.logged("handed the port over"):  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(0.01)
                replies = [await once(new.listening["data"]) for _ in range(50)]
                taken = await carried(new)
                assert old.process.returncode is None
                released.set()
                assert await old.ended() == 0
                replies += [await once(new.listening["data"]) for _ in range(20)]

    assert all(task.result().ok for task in pending), [task.result() for task in pending]
    assert all(reply.ok for reply in replies), replies
    assert taken == 50


async def test_callers_move_while_it_drains_and_lose_nothing(tmp_path: pathlib.Path, engine: str) -> None:
    """With an age for connections, callers are told to go while the old sidecar still takes their calls."""
    ended = asyncio.Event()

    async def calls_on(call: Caller) -> list[Reply]:
        replies = []
        while not ended.is_set():
            replies.append(await call.unary(OURS, b"x"))
            await asyncio.sleep(0.005)
        return replies

    async with model() as server, asyncio.TaskGroup() as tasks:
        file = shared(tmp_path, engine, server.address, max_connection_age="1s")
        async with proxy(file) as old, caller(old.listening["data"]) as call:
            await old.until_ready()
            calling = [tasks.create_task(calls_on(call)) for _ in range(4)]
            async with proxy(file) as new:
                await new.until_ready()
                old.terminate()
                assert await old.ended() == 0
                before = await carried(new)
                while await carried(new) < before + 20:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(0.01)
                ended.set()
                await asyncio.wait(calling)

    replies = [reply for task in calling for reply in task.result()]
    assert len(replies) > 20
    assert {reply.code for reply in replies} == {grpc.StatusCode.OK}


async def test_a_port_is_shared_only_where_both_say_so(tmp_path: pathlib.Path, engine: str) -> None:
    async with model() as server:
        file = shared(tmp_path, engine, server.address)
        alone = tmp_path / "alone.json"
        alone.write_text(file.read_text().replace('"reuse_port": true', '"reuse_port": false'))
        async with proxy(file), asyncio.timeout(60):
            with pytest.raises(AssertionError, match="cannot be had; is it taken"):
                async with proxy(alone):
                    pass
