"""One sidecar of several workers takes over from another, of as many or not, and no call is lost."""

import asyncio
import pathlib
import socket

import grpc
import pytest

from tests.support.callers import Caller, Reply, caller
from tests.support.models import model
from tests.support.processes import proxy, sidecar_file
from tests.support.sidecars import ENGINES, service

METHOD = "/understudy.v1.PredictionService/Predict"


@pytest.fixture
def address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def of(directory: pathlib.Path, workers: int, target: str, **fields: object) -> pathlib.Path:
    """A file for a sidecar of so many workers."""
    place = directory / str(workers)
    place.mkdir(exist_ok=True)
    return sidecar_file(place, service({"v1": target}), workers=workers, reuse_port=True, **fields)


class Callers:
    """Some that keep their connections, and one that connects anew for every call, until told to end."""

    def __init__(self, address: str, tasks: asyncio.TaskGroup) -> None:
        self._ended = False
        kept = [tasks.create_task(self._staying(address)) for _ in range(6)]
        self._tasks = [*kept, tasks.create_task(self._connecting(address))]

    async def _staying(self, address: str) -> list[Reply]:
        replies = []
        async with caller(address) as call:
            while not self._ended:
                replies.append(await call.unary(METHOD, b"x"))
                await asyncio.sleep(0.005)
        return replies

    async def _connecting(self, address: str) -> list[Reply]:
        replies = []
        while not self._ended:
            call = Caller(address)
            replies.append(await call.unary(METHOD, b"x"))
            await call.channel.close()
            await asyncio.sleep(0.02)
        return replies

    async def end(self) -> list[Reply]:
        self._ended = True
        await asyncio.wait(self._tasks)
        return [reply for task in self._tasks for reply in task.result()]


@pytest.mark.parametrize(("before", "after"), [(2, 2), (3, 1), (1, 2)])
@pytest.mark.parametrize("engine", ENGINES)
async def test_callers_move_and_lose_nothing(
    tmp_path: pathlib.Path, address: str, engine: str, before: int, after: int
) -> None:
    fields = {"engine": engine, "listen": address, "max_connection_age": "1s"}
    async with model() as server, asyncio.TaskGroup() as tasks:
        async with proxy(of(tmp_path, before, server.address, **fields)) as old:
            await old.until_ready()
            callers = Callers(address, tasks)
            async with proxy(of(tmp_path, after, server.address, **fields)) as new:
                await new.until_ready()
                old.terminate()
                assert await old.ended() == 0
                seen = len(server.calls)
                while len(server.calls) < seen + 50:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(0.01)
                replies = await callers.end()
        taken = len(new.logged("took the port over"))
        handed = len(old.logged("handed the port over"))

    assert len(replies) > 100
    assert {reply.code for reply in replies} == {grpc.StatusCode.OK}
    assert handed == before
    assert taken == (min(before, after) if engine == "relay" else 0)
